"""Muon that takes matrices of one shape together: two thirds of the time of one after the other for small models (docs/lab-log.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import torch

STACK = 1 << 24
"""Numbers in a stack at most: larger matrices keep a device busy alone, and stacks of them would only take memory."""


class StackedMuon(torch.optim.Muon):
    """`torch.optim.Muon` (Jordan et al. 2024), its Newton-Schulz iterations batched over parameters of one shape.

    Same arguments, states and updates, but for the order of sums in bf16; `adjust_lr_fn` is the original.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rate, momentum = float(group["lr"]), group["momentum"]
            params: list[torch.Tensor] = []
            gradients: list[torch.Tensor] = []
            averages: list[torch.Tensor] = []
            self._init_group(group, params, gradients, averages)
            if not params:
                continue
            torch._foreach_lerp_(averages, gradients, 1 - momentum)
            updates = torch._foreach_lerp(gradients, averages, momentum) if group["nesterov"] else averages
            if group["weight_decay"]:
                torch._foreach_mul_(params, 1 - rate * group["weight_decay"])
            for these in stacks(params):
                directions = orthogonalized(
                    torch.stack([updates[i].bfloat16() for i in these]),
                    group["ns_coefficients"],
                    group["ns_steps"],
                    group["eps"],
                )
                rows, columns = params[these[0]].shape
                for i, direction in zip(these, directions, strict=True):
                    params[i].add_(direction, alpha=-rate * max(1, rows / columns) ** 0.5)
        return loss


def stacks(params: list[torch.Tensor]) -> Iterator[list[int]]:
    """Indices of matrices of one shape, as many at once as `STACK` allows."""

    def kind(i: int) -> tuple[int, ...]:
        return tuple(params[i].shape)

    for shape, same in groupby(sorted(range(len(params)), key=kind), key=kind):
        these, most = list(same), max(1, STACK // math.prod(shape))
        yield from (these[i : i + most] for i in range(0, len(these), most))


def orthogonalized(
    matrices: torch.Tensor, coefficients: tuple[float, float, float], steps: int, epsilon: float
) -> torch.Tensor:
    """Each matrix with its singular values near 1, [number, rows, columns], by the quintic Newton-Schulz iteration."""
    a, b, c = coefficients
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT.contiguous() if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=epsilon)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
