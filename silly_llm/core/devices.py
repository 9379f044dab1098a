"""What the device at hand can do, as far as a default depends on it."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

EAGER_LENGTH = 512
"""The longest context, in tokens, at which plain matrix products are the faster attention on CPUs."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`."""


def computes_in_bf16(use_cpu: bool) -> bool:
    """Whether the device (the CPU or the GPU) has bf16 instructions; elsewhere bf16 is emulated and slower than float32."""
    if use_cpu:
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def attention_for(use_cpu: bool, max_length: int | None) -> str:
    """The attention that trains fastest: on CPUs eager at short contexts (1.2 times sdpa; docs/lab-log.md), else sdpa."""
    return "eager" if use_cpu and max_length and max_length <= EAGER_LENGTH else "sdpa"


def keep_freed_memory() -> None:
    """Let glibc keep the memory that tensors leave, for the next ones of a CPU training; elsewhere nothing.

    Else every large activation comes as new pages from the system, each to be cleared: a seventh of a small model's step
    (docs/lab-log.md). The process then stays as large as it once was.
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def processor(device: str | torch.device = "cpu") -> str:
    """The name of the processor or GPU that computes."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def hardware() -> dict[str, Any]:
    """What a report says it ran on: processor, cores that this process may use, memory, and GPUs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0
    return {
        "processor": processor(),
        "cores": cores,
        "memory": f"{memory:.0f} GiB" if memory else "",
        "gpu": ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())),
        "system": platform.platform(terse=True),
    }
