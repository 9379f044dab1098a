"""The one way to sample from a model: of its provider's promises see tests/providers/test_transformers.py."""

import pytest
import torch
from transformers import TextStreamer

from silly_llm.core.sampling import SamplingParams, encode, sample, sample_text
from silly_llm.evaluation.arguments import EvaluationArguments

PROMPTS = ["Once", "One day Ann found a", "", "Tom had"]


def settings(**values):
    return EvaluationArguments(model="m", dataset="d", **values).sampling


def test_the_same_arguments_give_the_same_texts(model):
    first = model.generate(PROMPTS, settings(max_new_tokens=20, generation_batch_size=3), seed=1)
    assert model.generate(PROMPTS, settings(max_new_tokens=20, generation_batch_size=3), seed=2) != first
    assert model.generate(PROMPTS, settings(max_new_tokens=20, generation_batch_size=4), seed=1) == first
    assert all(g.ended == (g.tokens < 20) for g in first)


@pytest.mark.parametrize("temperature", [0, 0.8])
def test_what_else_is_in_a_batch_changes_no_text(model, temperature):
    ids = [encode(model.tokenizer, prompt) for prompt in ("A", "One day Ann found a red ball.")]
    params = [SamplingParams(seed, 8, temperature) for seed in (3, 4)]
    together = sample(model.model, model.tokenizer, ids, params, batch_size=2)
    assert together == sample(model.model, model.tokenizer, ids, params)


def test_a_training_goes_on_as_it_was(model):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model.model.train()
    text = sample_text(model.model, model.tokenizer, "Tom had", SamplingParams(1, 8))
    assert text and model.model.training and torch.equal(torch.rand(3), expected)
    model.model.eval()


def test_a_text_is_streamed_and_stays_within_the_context(model, capsys):
    streamer = TextStreamer(model.tokenizer, skip_prompt=True, skip_special_tokens=True)
    ids, params = encode(model.tokenizer, "Tom had"), SamplingParams(1, max_new_tokens=500)
    (made,) = sample(model.model, model.tokenizer, [ids], [params], context=48, streamer=streamer)
    assert capsys.readouterr().out == made.text + "\n"
    assert made.ended or made.tokens == 48 - len(ids)
    assert sample_text(model.model, model.tokenizer, "Tom had a kite. " * 20, SamplingParams(1)) == ""
