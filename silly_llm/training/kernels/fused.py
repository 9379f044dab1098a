"""Fewer passes over memory for models of any transformers class: the head with its loss, RMSNorm, and rotary positions.

Small models on CPUs spend more time on moving activations than on matrix products (docs/lab-log.md). The logits are the largest of
them: [tokens, vocabulary], written and read again by the cast to fp32, log-softmax, its gradient and the products with it. Here they exist
only for some rows at a time, which stay in the cache, and their gradient is taken at once (as Liger does on GPUs, Hsu et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

IGNORED = -100
"""The label that has no loss; `ignore_index` of torch's cross entropy."""

LOGITS = 1 << 21
"""Logits of a chunk of rows: 8 MB in fp32, which the last cache holds; of fewer rows the products are slower."""
FEWEST_ROWS = 128
"""Rows of a chunk at least: products of fewer are slow."""
TOLERANCE = 1e-5


class LinearCrossEntropy(torch.autograd.Function):
    """Nats of all labels, summed, from hidden states; never holds all logits.

    `apply(hidden, weight, labels, dtype)`: hidden [tokens, width]; weight of the head [vocabulary, width]; labels [tokens], `IGNORED` where
    nothing is predicted; dtype of the matrix products. Softmax is in fp32.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, dtype: torch.dtype
    ) -> torch.Tensor:
        inputs, table = hidden.to(dtype), weight.to(dtype)
        of_inputs = torch.empty_like(inputs)
        of_weight = torch.zeros_like(weight, dtype=torch.float32)
        total = torch.zeros((), device=hidden.device)
        for rows in chunks(len(inputs), len(table)):
            logits = (inputs[rows] @ table.T).float()
            kept = (labels[rows] != IGNORED)[:, None]
            label = labels[rows].clamp_min(0)[:, None]
            gradient = logits.softmax(-1)
            # Of a label the probability may be 0 in fp32, of the likeliest token never: it gives the sum that softmax divided by.
            log_sum = logits.amax(-1, keepdim=True) - gradient.amax(-1, keepdim=True).log()
            total += ((log_sum - logits.gather(1, label)) * kept).sum()
            gradient.scatter_add_(1, label, torch.full_like(label, -1, dtype=gradient.dtype))
            low = gradient.mul_(kept).to(dtype)
            torch.mm(low, table, out=of_inputs[rows])
            of_weight += low.T @ inputs[rows]
        ctx.save_for_backward(of_inputs, of_weight)
        ctx.dtypes = hidden.dtype, weight.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        of_inputs, of_weight = ctx.saved_tensors
        of_hidden, kind_of_weight = ctx.dtypes
        (scale,) = gradients
        return of_inputs.to(of_hidden) * scale, (of_weight * scale).to(kind_of_weight), None, None


@torch.no_grad()
def token_nats(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Nats of each label, fp32 [tokens], 0 where it is `IGNORED`; arguments as of `LinearCrossEntropy`."""
    inputs, table = hidden.to(dtype), weight.to(dtype)
    found = [
        F.cross_entropy((inputs[rows] @ table.T).float(), labels[rows], ignore_index=IGNORED, reduction="none")
        for rows in chunks(len(inputs), len(table))
    ]
    return torch.cat(found)


def chunks(tokens: int, vocabulary: int) -> Iterator[slice]:
    rows = max(FEWEST_ROWS, LOGITS // vocabulary)
    return (slice(start, start + rows) for start in range(0, tokens, rows))


@torch.no_grad()
def separable_head(model: Any) -> nn.Linear | None:
    """The head of a model whose logits are its product with the last hidden states and nothing else; `None` of any other model."""
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head.bias is not None:
        return None
    ids = torch.arange(min(8, head.out_features), device=head.weight.device)[None]
    training = model.training
    model.eval()
    logits = model(input_ids=ids, use_cache=False).logits
    with hidden_states(head):
        hidden = model(input_ids=ids, use_cache=False).logits
    model.train(training)
    if hidden.shape[-1] != head.in_features or logits.shape[-1] != head.out_features:
        return None
    return head if (head(hidden) - logits).abs().max() <= TOLERANCE * logits.abs().max() else None


@contextmanager
def hidden_states(head: nn.Linear) -> Iterator[None]:
    """Inside, the model that has this head gives its last hidden states as `logits`, whatever it is wrapped in."""
    head.forward = lambda hidden: hidden  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del head.forward


def fuse_norms(model: nn.Module) -> int:
    """Let every RMSNorm that torch's own equals use it, and give what the next product computes in; how many there were.

    Under autocast one cast takes the place of one for each product that reads the norm.
    """
    fused = 0
    for module in model.modules():
        epsilon = getattr(module, "variance_epsilon", getattr(module, "eps", None))
        if not type(module).__name__.endswith("RMSNorm") or not isinstance(epsilon, float):
            continue
        weight = getattr(module, "weight", None)
        if weight is None or weight.ndim != 1 or weight.is_meta or hasattr(weight, "ds_id"):
            continue
        with torch.no_grad():
            probe = torch.linspace(-2, 3, 4 * len(weight), device=weight.device).view(4, -1)
            same = F.rms_norm(probe, weight.shape, weight, epsilon)
            if not torch.allclose(module(probe), same, atol=TOLERANCE):
                continue
        module.forward = MethodType(norm_with(epsilon), module)  # a method, so that copies use their own weights
        fused += 1
    return fused


def norm_with(epsilon: float) -> Any:
    def forward(self: Any, hidden: torch.Tensor) -> torch.Tensor:
        device = hidden.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        weight = self.weight  # torch takes its fused operator only where both have one dtype
        return F.rms_norm(hidden.to(weight.dtype), weight.shape, weight, epsilon).to(kind)

    return forward


def cast_positions(model: nn.Module) -> int:
    """Let rotary positions be what products compute in, as in a model of that dtype; how many modules give them.

    Under autocast they would be fp32, and queries and keys with them, until the attention casts them back.
    """

    def cast(module: nn.Module, inputs: Any, positions: Any) -> Any:
        if not isinstance(positions, tuple) or not all(part.is_floating_point() for part in positions):
            return positions  # complex numbers, in some architectures
        device = positions[0].device.type
        if not torch.is_autocast_enabled(device):
            return positions
        return tuple(part.to(torch.get_autocast_dtype(device)) for part in positions)

    rotary = [module for module in model.modules() if type(module).__name__.endswith("RotaryEmbedding")]
    for module in rotary:
        module.register_forward_hook(cast)
    return len(rotary)
