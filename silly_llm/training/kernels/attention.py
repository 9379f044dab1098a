"""Causal attention of short rows on CPUs, `attn_implementation: blockwise`: half the passes of `eager`, and no look at the future.

`eager` scales, masks, casts and normalizes the scores in passes of their own, over all [length, length] of them. Here the queries are
taken a block at a time, with the keys up to the block's end, and each step is one kernel in place.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask

NAME = "blockwise"
BLOCK = 128
"""Queries of a block."""


class BlockwiseAttention(torch.autograd.Function):
    """`apply(query, key, value, mask, scale)`: softmax(scale · query keyᵀ + mask) value, all [rows, heads, length, size].

    mask [rows or 1, 1, queries, keys] is added and must hide the future; the last query sees the last key.
    """

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, mask: torch.Tensor, scale: float) -> torch.Tensor:
        shape = query.shape
        query, key, value = (query * scale).flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1)
        output, weights = torch.empty_like(query), []
        for block, keys in blocks(shape[2], key.shape[1]):
            scores = query[:, block] @ key[:, keys].mT
            scores.unflatten(0, shape[:2]).add_(mask[:, :, block, keys])
            weights.append(scores.softmax(-1))
            output[:, block] = weights[-1] @ value[:, keys]
        ctx.save_for_backward(query, key, value, *weights)
        ctx.scale, ctx.shape = scale, shape
        return output.view(shape)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        query, key, value, *weights = ctx.saved_tensors
        of_output = gradients[0].reshape(query.shape)
        of_query, of_key, of_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for (block, keys), weight in zip(blocks(query.shape[1], key.shape[1]), weights, strict=True):
            of_weight = of_output[:, block] @ value[:, keys].mT
            of_scores = torch._softmax_backward_data(of_weight, weight, -1, weight.dtype)
            of_query[:, block] = of_scores @ key[:, keys]
            of_key[:, keys] += of_scores.mT @ query[:, block]
            of_value[:, keys] += weight.mT @ of_output[:, block]
        found = (of_query * ctx.scale, of_key, of_value)
        return *(gradient.unflatten(0, ctx.shape[:2]) for gradient in found), None, None


def blocks(queries: int, keys: int) -> list[tuple[slice, slice]]:
    """Each block of queries, and the keys that it may see."""
    ends = [(start, min(start + BLOCK, queries)) for start in range(0, queries, BLOCK)]
    return [(slice(start, end), slice(0, keys - queries + end)) for start, end in ends]


def blockwise(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: Any = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, Any]:
    """An attention of transformers' `AttentionInterface`; [rows, length, heads, size]. With dropout it is torch's own."""
    if dropout:
        return sdpa_attention_forward(module, query, key, value, attention_mask.to(query.dtype), dropout, scaling)
    if (groups := query.shape[1] // key.shape[1]) > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    device = query.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else query.dtype
    with torch.autocast(device, enabled=False):
        output = BlockwiseAttention.apply(query.to(kind), key.to(kind), value.to(kind), attention_mask, scale)
    return output.transpose(1, 2), None


def register() -> None:
    """Make `blockwise` known to transformers."""
    AttentionInterface.register(NAME, blockwise)
    AttentionMaskInterface.register(
        NAME, lambda *args, **kwargs: eager_mask(*args, **{**kwargs, "dtype": torch.bfloat16})
    )
