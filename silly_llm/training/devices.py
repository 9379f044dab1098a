"""What the device at hand can do, as far as a default depends on it."""

from __future__ import annotations

import torch


def computes_in_bf16(use_cpu: bool) -> bool:
    """Whether the device has bf16 instructions; elsewhere bf16 is emulated and slower than float32."""
    if use_cpu:
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
