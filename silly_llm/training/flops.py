"""Model FLOPs of training, and what the device could do: the two sides of MFU.

Model FLOPs utilization (PaLM, Chowdhery et al. 2022, appendix B) is tokens/s times the operations that the model needs for a token,
over the operations a second that the hardware reaches at best. What an implementation does besides (recomputing, masked-out attention)
does not count.
"""

from __future__ import annotations

import time
from typing import Any

import torch

TFLOPS = {
    "b200": 2250, "gb200": 2500, "b300": 2250,
    "h200 nvl": 835, "h200": 989, "h100 nvl": 835, "h100 pcie": 756, "h100": 989, "gh200": 989, "h800": 989, "h20": 148,
    "a100": 312, "a800": 312, "a40": 150, "a30": 165, "a10": 125,
    "l40s": 362, "l40": 181, "l4": 121,
    "rtx 5090": 209, "rtx 4090": 165, "rtx 4080": 97, "rtx 3090": 71,
}  # fmt: skip
"""Dense bf16 (or fp16) matrix products with fp32 accumulation, 10^12 operations a second, from NVIDIA's data sheets (without sparsity)."""
MEASURED_FOR = 0.3
"""Seconds that measuring a ceiling takes."""


def training_flops_per_token(model: Any, length: int) -> float:
    """Floating-point operations of a forward and backward pass for a token.

    6 N for the N weights of matrices, the head's (tied or not) included, looked-up embeddings not (the Trainer's own count leaves out
    the head and attention); and for attention 12 · layers · heads · head size · length, halved since it is causal. Documents packed
    into a row and windows of attention count as full rows, as is usual. Every expert of a mixture counts.
    """
    head = model.get_output_embeddings()
    looked_up = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    looked_up -= {id(head.weight)} if head is not None else set()
    shapes = [getattr(p, "ds_shape", p.shape) for p in model.parameters() if id(p) not in looked_up]  # of ZeRO-3
    weights = sum(shape.numel() for shape in shapes if len(shape) >= 2)
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return 6 * weights + 6 * config.num_hidden_layers * heads * head_size * length


def ceiling(device: torch.device, dtype: torch.dtype) -> tuple[float, str]:
    """Operations a second that matrix products of `dtype` reach on one device at best, and where the number is from.

    The data sheet's number for GPUs known by name in bf16 and fp16; else what the best of a few products reaches here and now.
    """
    if device.type == "cuda" and dtype in (torch.bfloat16, torch.float16):
        name = torch.cuda.get_device_name(device)
        if (known := data_sheet(name)) is not None:
            return known, f"{name}, data sheet"
    best, sizes = 0.0, (512, 1024, 2048) if device.type == "cpu" else (4096, 8192)
    for n in sizes:
        a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        until = 0.0
        while (began := time.perf_counter()) < until or not until:
            a @ b
            if device.type != "cpu":
                torch.accelerator.synchronize()
            ended = time.perf_counter()
            best = max(best, 2 * n**3 / (ended - began))  # of the first one, which warms up, far below
            until = until or ended + MEASURED_FOR / len(sizes)
    return best, "best matrix product, measured"


def data_sheet(name: str) -> float | None:
    """Dense bf16 operations a second of a GPU by the name that CUDA gives it; `None` for unknown ones."""
    words = f" {name.lower().replace('-', ' ')} "
    found = [known for known in TFLOPS if all(f" {part} " in words for part in known.split())]
    return 1e12 * TFLOPS[max(found, key=len)] if found else None
