"""Model presets: plain transformers Llamas of 0.3 to 33 million parameters, and anything between by dimensions.

SwiGLU, RMSNorm, rotary positions, tied embeddings; no biases. Parameter counts are for a vocabulary of 2,048 tokens (8,192
from `silly-8m` on).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from silly_llm.errors import RecipeError, suggestion

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM

PRESETS: dict[str, dict[str, int]] = {
    "silly-tiny": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 96,
    },
    "silly-300k": {
        "hidden_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 192,
    },
    "silly-1m": {
        "hidden_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 384,
    },
    "silly-2m": {
        "hidden_size": 192,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "intermediate_size": 512,
    },
    "silly-3m": {
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 640,
    },
    "silly-8m": {
        "hidden_size": 256,
        "num_hidden_layers": 8,
        "num_attention_heads": 4,
        "intermediate_size": 704,
    },
    "silly-33m": {
        "hidden_size": 512,
        "num_hidden_layers": 9,
        "num_attention_heads": 8,
        "intermediate_size": 1376,
    },
}
"""Name → dimensions of a `LlamaConfig`."""


def model_config(
    spec: str | dict[str, Any], *, vocab_size: int, max_length: int, tokenizer: Any = None
) -> LlamaConfig:
    """The `LlamaConfig` that a recipe's `model:` means.

    Args:
        spec: the name of a preset, or a mapping: `preset` (optional) and any keys of `LlamaConfig`.
        vocab_size: rows of the embedding.
        max_length: positions.
        tokenizer: gives the ids of bos, eos and pad.

    Raises:
        RecipeError: unknown preset or key, or dimensions that do not fit together.
    """
    from transformers import LlamaConfig

    given = {"preset": spec} if isinstance(spec, str) else dict(spec)
    preset = given.pop("preset", None)
    if preset is not None and preset not in PRESETS:
        raise RecipeError(
            f"model: unknown preset {preset!r}{suggestion(preset, PRESETS)}; known: {', '.join(PRESETS)}"
        )
    values: dict[str, Any] = {
        "tie_word_embeddings": True,
        "vocab_size": vocab_size,
        "max_position_embeddings": max_length,
    }
    values |= {**PRESETS[preset]} if preset else {}
    known = LlamaConfig().to_dict()
    for key in given:
        if key not in known or key in ("vocab_size", "max_position_embeddings"):
            hint = {
                "vocab_size": " (set tokenizer.vocab_size)",
                "max_position_embeddings": " (set max_length)",
            }
            raise RecipeError(f"model: unknown key {key!r}{hint.get(key) or suggestion(key, known)}")
    values |= given
    needed = [key for key in ("hidden_size", "num_hidden_layers", "num_attention_heads") if key not in values]
    if needed:
        raise RecipeError(f"model: name a preset, or give {', '.join(needed)}")
    # Two thirds of the usual four times, since SwiGLU has three matrices (Shazeer 2020, section 2).
    values.setdefault("intermediate_size", -(-values["hidden_size"] * 8 // 3 // 32) * 32)
    values.setdefault("num_key_value_heads", values["num_attention_heads"])
    for key in (
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "num_key_value_heads",
    ):
        if not isinstance(values[key], int) or values[key] < 1:
            raise RecipeError(f"model: {key}: expected a whole number above 0, got {values[key]!r}")
    if values["hidden_size"] % (2 * values["num_attention_heads"]):
        raise RecipeError(
            "model: hidden_size must be a multiple of twice num_attention_heads (rotary positions need even heads)"
        )
    if values["num_attention_heads"] % values["num_key_value_heads"]:
        raise RecipeError("model: num_attention_heads must be a multiple of num_key_value_heads")
    ids = {}
    if tokenizer is not None:
        ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    return LlamaConfig(**values, **ids)


def build_model(config: LlamaConfig, seed: int, *, attn_implementation: str = "sdpa") -> LlamaForCausalLM:
    """A new model whose weights derive from the seed; how it attends is not saved with it."""
    from transformers import LlamaForCausalLM, set_seed

    set_seed(seed)
    model = LlamaForCausalLM._from_config(config, attn_implementation=attn_implementation)
    generation = model.generation_config
    generation.bos_token_id, generation.eos_token_id, generation.pad_token_id = (
        config.bos_token_id,
        config.eos_token_id,
        config.pad_token_id,
    )
    # What `pipeline("text-generation")` does with the published folder: sample a whole story.
    generation.do_sample, generation.temperature, generation.top_p = True, 0.8, 0.95
    generation.max_length = config.max_position_embeddings
    return model
