"""Muon that takes matrices of one shape together: two thirds of the time of one after the other for small models (docs/lab-log.md).

Where several processes train (DDP), each orthogonalizes its share of the matrices, and all get all directions: the work of a
step is divided as its batch is, and the weights stay the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import distributed

STACK = 1 << 24
"""Numbers in a stack at most: larger matrices keep a device busy alone, and stacks of them would only take memory."""


class StackedMuon(torch.optim.Muon):
    """`torch.optim.Muon` (Jordan et al. 2024), its Newton-Schulz iterations batched over parameters of one shape.

    Same arguments, states and updates, but for the order of sums in bf16; `adjust_lr_fn` is the original. In a process group the gradients
    must be the same in all processes, as DDP leaves them.
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
            together = distributed.is_available() and distributed.is_initialized()
            place, processes = (distributed.get_rank(), distributed.get_world_size()) if together else (0, 1)
            order = sorted(range(len(params)), key=lambda i: tuple(params[i].shape))  # of every shape as many each
            shares = [order[first::processes] for first in range(processes)]
            mine: dict[int, torch.Tensor] = {}
            for these in stacks(params, shares[place]):
                directions = orthogonalized(
                    torch.stack([updates[i].bfloat16() for i in these]),
                    group["ns_coefficients"],
                    group["ns_steps"],
                    group["eps"],
                )
                mine |= zip(these, directions, strict=True)
            found = mine if processes == 1 else gathered(mine, params, shares)
            for i, direction in found.items():
                rows, columns = params[i].shape
                params[i].add_(direction, alpha=-rate * max(1, rows / columns) ** 0.5)
        return loss


def gathered(
    mine: dict[int, torch.Tensor], params: Sequence[torch.Tensor], shares: Sequence[Sequence[int]]
) -> dict[int, torch.Tensor]:
    """The directions of all processes by index, [rows, columns] each, from those of this one in the order of its share."""
    sizes = [[params[i].numel() for i in share] for share in shares]
    sent = torch.zeros(max(map(sum, sizes)), dtype=torch.bfloat16, device=params[0].device)
    if mine:
        flat = torch.cat([direction.flatten() for direction in mine.values()])
        sent[: len(flat)] = flat
    received = [torch.empty_like(sent) for _ in shares]
    distributed.all_gather(received, sent)
    return {
        i: part.view_as(params[i])
        for share, all_of, sizes_of in zip(shares, received, sizes, strict=True)
        for i, part in zip(share, all_of[: sum(sizes_of)].split(sizes_of), strict=True)
    }


def stacks(params: Sequence[torch.Tensor], indices: Sequence[int]) -> Iterator[list[int]]:
    """Those of some indices, sorted by shape, that are of matrices of one shape: as many at once as `STACK` allows."""
    for shape, same in groupby(indices, key=lambda i: tuple(params[i].shape)):
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


class ChainedOptimizer(torch.optim.Optimizer):
    """Several optimizers as one: schedulers see all groups, checkpoints hold all states."""

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self.optimizers = optimizers
        # `lr` among the defaults: the polynomial schedule asks for it.
        groups = [group for o in optimizers for group in o.param_groups]
        super().__init__(groups, {"lr": optimizers[-1].defaults["lr"]})
        self._share()

    def _share(self) -> None:
        # The very same group dictionaries, so that a scheduler's new rate reaches the parts.
        self.param_groups = [group for o in self.optimizers for group in o.param_groups]

    def step(self, closure: Any = None) -> Any:
        loss = closure() if closure is not None else None
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for optimizer, state in zip(self.optimizers, state_dict["parts"], strict=True):
            optimizer.load_state_dict(state)
        self._share()
