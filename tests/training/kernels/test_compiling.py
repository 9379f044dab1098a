"""Layers that are compiled one by one: the same training, resumed bit for bit, and asked for by nobody only where it pays."""

import pytest
import torch
from tiny_runs import arguments, facts, losses, same_weights, weights

from silly_llm.training.kernels import compiling
from silly_llm.training.model.models import build_model, model_config
from silly_llm.training.pretrain import main


@pytest.mark.slow
@pytest.mark.skipif(compiling.missing_compiler() is not None, reason="needs a C++ compiler")
def test_a_long_training_is_compiled_unasked_as_the_plain_one_and_resumes(stories, tmp_path, monkeypatch, capfd):
    """Compiled once for all layers, in training alone (neither evaluations nor samples), and where there is a compiler."""
    monkeypatch.setattr(compiling, "LONG_FLOPS", 1.0)
    shape = {"bf16": False, "save_steps": 6, "eval_steps": 6, "sample_prompts": '["Tom"]', "sample_tokens": 8}

    def train(name: str, **more: object) -> str:
        main(arguments(stories, tmp_path / name, **shape, **more))
        return capfd.readouterr().out

    torch._dynamo.utils.counters.clear()
    with torch._dynamo.config.patch(suppress_errors=False):  # the training sets it
        assert "the first step compiles 2 layers" in train("compiled")
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
        assert "compiles" in train("resumed", resume_from_checkpoint=tmp_path / "compiled" / "checkpoint-6")
    with monkeypatch.context() as patch:
        patch.setenv("CXX", "no-such-compiler")
        assert "compiles" not in train("plain")
    assert losses(tmp_path / "compiled") == pytest.approx(losses(tmp_path / "plain"), abs=1e-3)
    assert facts(tmp_path / "compiled")["compiled_layers"] == 2
    assert weights(tmp_path / "compiled").keys() == weights(tmp_path / "plain").keys()
    assert same_weights(tmp_path / "resumed", tmp_path / "compiled")


@pytest.mark.parametrize(
    ("share", "minutes", "is_long"),
    [(1.01, None, True), (0.99, None, False), (None, 10, True), (None, 1, False), (0.99, 60, False)],
)
def test_what_is_long_enough(share, minutes, is_long):
    model = build_model(model_config("silly-tiny", vocab_size=300, max_length=64), 0)
    enough = compiling.LONG_FLOPS / compiling.training_flops_per_token(model, 64)
    assert compiling.is_long(model, 64, share and share * enough, minutes) is is_long


@pytest.mark.parametrize("kind", ["silly-tiny", "tinystories-1m", {"model_type": "qwen3", "hidden_size": 32}])
def test_the_layers_of_an_architecture_are_found(kind):
    spec = kind if isinstance(kind, str) else {**kind, "num_hidden_layers": 3, "num_attention_heads": 2}
    model = build_model(model_config(spec, vocab_size=300, max_length=64), 0, attn_implementation="eager")
    assert compiling.compile_layers(model) == model.config.num_hidden_layers
