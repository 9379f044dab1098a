"""Named architectures: our Llamas, and the GPT-Neos of the TinyStories paper."""

from __future__ import annotations

from typing import Any


def _llama(hidden_size: int, layers: int, heads: int, intermediate_size: int) -> dict[str, Any]:
    sizes = {"hidden_size": hidden_size, "intermediate_size": intermediate_size}
    depths = {"num_hidden_layers": layers, "num_attention_heads": heads}
    return {"model_type": "llama", **sizes, **depths, "tie_word_embeddings": True}


def _gpt_neo(hidden_size: int, layers: int) -> dict[str, Any]:
    """16 heads, a window of 256 tokens in every other layer, no dropout (TinyStories: less than one epoch)."""
    sizes = {"hidden_size": hidden_size, "num_layers": layers, "num_heads": 16, "window_size": 256}
    dropouts = dict.fromkeys(("attention_dropout", "embed_dropout", "resid_dropout"), 0.0)
    return {"model_type": "gpt_neo", **sizes, **dropouts, "tie_word_embeddings": True}


PRESETS: dict[str, dict[str, Any]] = {
    # SwiGLU, RMSNorm, rotary positions, tied embeddings, no biases. Sizes with 2,048 tokens of vocabulary, from 8m on with 8,192.
    "silly-tiny": _llama(32, 2, 2, 96),
    "silly-300k": _llama(64, 4, 2, 192),
    "silly-1m": _llama(128, 4, 4, 384),
    "silly-2m": _llama(192, 4, 3, 512),
    "silly-3m": _llama(256, 4, 4, 640),
    "silly-6m": _llama(256, 7, 4, 704),
    "silly-8m": _llama(256, 8, 4, 704),
    "silly-28m": _llama(512, 8, 8, 1376),
    "silly-33m": _llama(512, 9, 8, 1376),
    # Eldan & Li 2023 and the models they published: GELU, learned positions, biases. Their vocabulary is 10,000 tokens.
    "tinystories-1m": _gpt_neo(64, 8),
    "tinystories-3m": _gpt_neo(128, 8),
    "tinystories-8m": _gpt_neo(256, 8),
    "tinystories-28m": _gpt_neo(512, 8),
    "tinystories-33m": _gpt_neo(768, 4),
    "tinystories-1layer-21m": _gpt_neo(1024, 1),
    "tinystories-2layers-33m": _gpt_neo(1024, 2),
}
"""Name → `model_type` and keys of its transformers configuration."""


def of_depth(depth: int) -> dict[str, Any]:
    """A Llama whose only dial is its number of layers: 64 times as wide, with heads of 64, as in nanochat."""
    return _llama(64 * depth, depth, depth, swiglu_size(64 * depth))


def alternating(layers: int) -> list[list[Any]]:
    """`attention_types` of a GPT-Neo: global and local in turn, as the paper's."""
    pairs, rest = divmod(layers, 2)
    return [*([[["global", "local"], pairs]] if pairs else []), *([[["global"], 1]] if rest else [])]


def swiglu_size(width: int) -> int:
    """Two thirds of the usual four times, since SwiGLU has three matrices (Shazeer 2020, section 2); a multiple of 32."""
    return -(-width * 8 // 3 // 32) * 32
