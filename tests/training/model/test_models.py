"""Presets have the size their name says; mistakes in `model:` are named."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from silly_llm.core.errors import RecipeError
from silly_llm.training.model.models import attention_of, build_model, model_config, size_of
from silly_llm.training.model.presets import PRESETS

SIZES = {"silly-tiny": (2048, 92_320), "silly-300k": (2048, 344_640), "silly-1m": (2048, 1_115_264)}
SIZES |= {"silly-2m": (2048, 2_164_416), "silly-3m": (2048, 3_541_248), "silly-6m": (2048, 6_147_840)}
SIZES |= {"silly-8m": (8192, 8_524_032), "silly-28m": (8192, 29_499_904), "silly-33m": (8192, 32_663_040)}
# With the paper's 10,000 tokens and 512 positions.
PAPER = {"tinystories-1m": 1_071_232, "tinystories-3m": 2_928_896, "tinystories-8m": 9_003_520}
PAPER |= {"tinystories-28m": 30_589_952, "tinystories-33m": 36_417_024}
PAPER |= {"tinystories-1layer-21m": 23_359_488, "tinystories-2layers-33m": 35_952_640}
SIZES |= {preset: (10_000, parameters) for preset, parameters in PAPER.items()}
ONE_M = {"preset": "tinystories-1m"}


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_of_a_preset(preset):
    vocabulary, expected = SIZES[preset]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(model_config(preset, vocab_size=vocabulary, max_length=512))
    assert model.num_parameters() == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("silly-2n", r"unknown preset 'silly-2n' \(did you mean 'silly-2m'\?\)"),
        ({"preset": "silly-2m", "hiden_size": 3}, r"unknown key 'hiden_size' \(did you mean 'hidden_size'\?\)"),
        ({"preset": "silly-2m", "vocab_size": 3}, r"set tokenizer\.vocab_size"),
        ({"hidden_size": 64}, "name a preset or a depth, or give num_hidden_layers, num_attention_heads"),
        ({"preset": "silly-2m", "num_attention_heads": 5}, "multiple of twice num_attention_heads"),
        ({"preset": "silly-2m", "num_key_value_heads": 2}, "multiple of num_key_value_heads"),
        ({**ONE_M, "num_hidden_layers": 3, "num_layers": 4}, "num_layers and num_hidden_layers are one key"),
        ({"preset": "silly-2m", "num_hidden_layers": "four"}, "expected a whole number above 0"),
        ({"hidden_size": "wide", "num_hidden_layers": 2, "num_attention_heads": 2}, "hidden_size: expected a whole"),
        ({"preset": "silly-2m", "depth": 4}, "mean the same"),
        ({"depth": 0}, "depth: expected a whole number above 0"),
        ({"model_type": "gpt_new"}, r"unknown model_type 'gpt_new' \(did you mean 'gpt_neo'\?\)"),
        ({**ONE_M, "num_layer": 2}, r"unknown key 'num_layer' \(did you mean 'num_layers'\?\)"),
    ],
)
def test_mistakes(spec, message):
    with pytest.raises(RecipeError, match=message):
        model_config(spec, vocab_size=300, max_length=64)


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        ({"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}, {"intermediate_size": 256}),
        ({"preset": "silly-1m", "num_hidden_layers": 2}, {"hidden_size": 128, "num_hidden_layers": 2}),
        ({"depth": 3}, {"num_hidden_layers": 3, "hidden_size": 192, "num_attention_heads": 3}),
        ({"depth": 3, "hidden_size": 96}, {"hidden_size": 96}),
        ({"model_type": "gpt2", "n_embd": 64, "num_hidden_layers": 3, "n_head": 2}, {"n_layer": 3, "n_embd": 64}),
        ({"preset": "silly-2m", "model_type": "gpt_neo", "num_layers": 2}, {"attention_layers": ["global", "local"]}),
        ({**ONE_M, "num_layers": 3}, {"attention_layers": ["global", "local", "global"]}),
        ({**ONE_M, "num_hidden_layers": 1}, {"num_layers": 1, "attention_layers": ["global"]}),
    ],
)
def test_dimensions_instead_of_a_preset_and_over_one_for_any_decoder(spec, values):
    config = model_config(spec, vocab_size=300, max_length=64)
    assert {name: getattr(config, name) for name in values} == values
    assert config.max_position_embeddings == 64


def test_attention_of_an_architecture_that_has_only_one():
    neo = model_config("tinystories-1m", vocab_size=300, max_length=1024)
    assert attention_of(neo, use_cpu=True) == "eager"
    assert attention_of(model_config("silly-tiny", vocab_size=300, max_length=1024), use_cpu=True) == "sdpa"
    with pytest.raises(RecipeError, match="gpt_neo: GPTNeoForCausalLM does not support"):
        build_model(neo, 0, attn_implementation="sdpa")


@pytest.mark.parametrize("spec", ["silly-tiny", {"preset": "tinystories-1m", "num_layers": 3}])
def test_size_tells_embeddings_apart_and_names_dimensions_alike_for_all_architectures(spec):
    config = model_config(spec, vocab_size=400, max_length=128)
    size = size_of(build_model(config, 0, attn_implementation=attention_of(config, use_cpu=True)))
    layers, heads = (2, 2) if spec == "silly-tiny" else (3, 16)
    assert (size["layers"], size["heads"], size["width"]) == (layers, heads, config.hidden_size)
    positions = 0 if spec == "silly-tiny" else 128
    assert size["parameters"] - size["non_embedding_parameters"] == (400 + positions) * config.hidden_size
