"""Presets have the size their name says; mistakes in `model:` are named."""

from __future__ import annotations

import pytest
import torch

from silly_llm.errors import RecipeError
from silly_llm.training.models import PRESETS, model_config

SIZES = {
    "silly-tiny": (2048, 92_320),
    "silly-300k": (2048, 344_640),
    "silly-1m": (2048, 1_115_264),
    "silly-2m": (2048, 2_164_416),
    "silly-3m": (2048, 3_541_248),
    "silly-8m": (8192, 8_524_032),
    "silly-33m": (8192, 32_663_040),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_of_a_preset(preset):
    from transformers import LlamaForCausalLM

    vocabulary, expected = SIZES[preset]
    with torch.device("meta"):
        model = LlamaForCausalLM(model_config(preset, vocab_size=vocabulary, max_length=512))
    assert model.num_parameters() == expected


def test_dimensions_instead_of_a_preset_and_over_one():
    config = model_config(
        {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}, vocab_size=300, max_length=64
    )
    assert (config.hidden_size, config.num_hidden_layers, config.intermediate_size) == (96, 3, 256)
    config = model_config(
        {"preset": "silly-1m", "num_hidden_layers": 2, "rms_norm_eps": 1e-5}, vocab_size=300, max_length=64
    )
    assert (config.hidden_size, config.num_hidden_layers, config.max_position_embeddings) == (128, 2, 64)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("silly-2n", r"unknown preset 'silly-2n' \(did you mean 'silly-2m'\?\)"),
        (
            {"preset": "silly-2m", "hiden_size": 3},
            r"unknown key 'hiden_size' \(did you mean 'hidden_size'\?\)",
        ),
        ({"preset": "silly-2m", "vocab_size": 3}, r"set tokenizer\.vocab_size"),
        ({"hidden_size": 64}, "name a preset, or give num_hidden_layers, num_attention_heads"),
        ({"preset": "silly-2m", "num_attention_heads": 5}, "multiple of twice num_attention_heads"),
        ({"preset": "silly-2m", "num_key_value_heads": 2}, "multiple of num_key_value_heads"),
        ({"preset": "silly-2m", "num_hidden_layers": "four"}, "expected a whole number above 0"),
    ],
)
def test_mistakes(spec, message):
    with pytest.raises(RecipeError, match=message):
        model_config(spec, vocab_size=300, max_length=64)
