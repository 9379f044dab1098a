"""Layers that are compiled one by one: the same training, resumed bit for bit, and asked for by nobody only where it pays."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from test_pretrain import arguments, stories, weights  # noqa: F401  (a fixture)

from silly_llm.training.callbacks.log import read_lines
from silly_llm.training.kernels import compiling
from silly_llm.training.model.models import build_model, model_config

needs_compiler = pytest.mark.skipif(compiling.missing_compiler() is not None, reason="needs a C++ compiler")
KEPT = {"save_total_limit": 3, "bf16": False}


def losses(folder):
    return [line["loss"] for line in read_lines(folder / "training_log.jsonl") if "loss" in line]


def facts(folder):
    return json.loads((folder / "provenance.json").read_text())


@pytest.mark.slow
@needs_compiler
def test_a_compiled_training_is_the_plain_one_and_resumes_exactly(stories, tmp_path):  # noqa: F811
    """Compiled once for all layers, in training alone: neither evaluations nor samples are compiled."""
    code = (
        "import sys, torch\n"
        "from silly_llm.training.pretrain import main\n"
        "main(sys.argv[1:])\n"
        "print('graphs', torch._dynamo.utils.counters['stats']['unique_graphs'])\n"
    )

    def train(name, compiled, **more):
        options = arguments(stories, tmp_path / name, compile_layers=compiled, **KEPT, **more)
        done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    plain, compiled = train("plain", False), train("compiled", True)
    assert "graphs 0" in plain and "graphs 1\n" in compiled
    assert "the first step compiles 2 layers" in compiled and "compiles" not in plain
    assert losses(tmp_path / "compiled") == pytest.approx(losses(tmp_path / "plain"), abs=1e-3)
    assert facts(tmp_path / "compiled")["compiled_layers"] == 2
    whole = weights(tmp_path / "compiled")
    assert whole.keys() == weights(tmp_path / "plain").keys()

    train("resumed", True, resume_from_checkpoint=tmp_path / "compiled" / "checkpoint-10")
    assert all((tensor == whole[name]).all() for name, tensor in weights(tmp_path / "resumed").items())


@pytest.mark.slow
@needs_compiler
def test_a_long_training_is_compiled_unasked_where_there_is_a_compiler(stories, tmp_path, monkeypatch, capfd):  # noqa: F811
    from silly_llm.training.pretrain import main

    monkeypatch.setattr(compiling, "LONG_FLOPS", 1.0)
    monkeypatch.setattr(torch._dynamo.config, "suppress_errors", False)
    main(arguments(stories, tmp_path / "long", max_steps=2))
    assert "the first step compiles 2 layers" in capfd.readouterr().out
    monkeypatch.setenv("CXX", "no-such-compiler")
    main(arguments(stories, tmp_path / "no-compiler", max_steps=2))
    assert "compiles" not in capfd.readouterr().out


def test_what_is_long_enough():
    model = build_model(model_config("silly-tiny", vocab_size=300, max_length=64), 0)
    cost = compiling.training_flops_per_token(model, 64)
    enough = compiling.LONG_FLOPS / cost
    assert compiling.is_long(model, 64, tokens=1.01 * enough, minutes=None)
    assert not compiling.is_long(model, 64, tokens=0.99 * enough, minutes=None)
    assert compiling.is_long(model, 64, tokens=None, minutes=10)
    assert not compiling.is_long(model, 64, tokens=None, minutes=1)
    assert not compiling.is_long(model, 64, tokens=0.99 * enough, minutes=60)


@pytest.mark.parametrize("kind", ["silly-tiny", "tinystories-1m", {"model_type": "qwen3", "hidden_size": 32}])
def test_the_layers_of_an_architecture_are_found(kind):
    spec = kind if isinstance(kind, str) else {**kind, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = model_config(spec, vocab_size=300, max_length=64)
    model = build_model(config, 0, attn_implementation="eager")
    assert len(compiling.layers_of(model)) == model.config.num_hidden_layers


def test_both_ways_to_compile_are_refused(stories, tmp_path):  # noqa: F811
    from silly_llm.core.errors import RecipeError
    from silly_llm.training.pretrain import main

    with pytest.raises(RecipeError, match="torch_compile compiles the whole model; give one of them"):
        main(arguments(stories, tmp_path / "model", torch_compile=True, compile_layers=True))
