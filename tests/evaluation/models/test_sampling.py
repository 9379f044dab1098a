"""The one way to sample from a model: of its provider's promises see tests/providers/test_transformers.py."""

from types import SimpleNamespace

import pytest
import torch
from tiny import tiny_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, TextStreamer

from silly_llm.core import sampling
from silly_llm.core.sampling import SamplingParams, encode, sample, sample_text
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.models.causal import LanguageModel

PROMPTS = ["Once", "One day Ann found a", "", "Tom had"]


def settings(**values):
    return EvaluationArguments(model="m", dataset="d", **values).sampling


def test_the_same_arguments_give_the_same_texts(model):
    first = model.generate(PROMPTS, settings(max_new_tokens=20, generation_batch_size=3), seed=1)
    assert model.generate(PROMPTS, settings(max_new_tokens=20, generation_batch_size=3), seed=2) != first
    assert model.generate(PROMPTS, settings(max_new_tokens=20, generation_batch_size=4), seed=1) == first
    assert all(g.ended == (g.tokens < 20) for g in first)


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


def test_neither_the_batch_nor_how_many_are_asked_for_changes_a_text(shared):
    beginnings = [["Once upon a", "One day, Tom and", "Lily", "There was a"][i % 4] for i in range(100)]
    made = {}
    for batch in (1, 7, 20, 100):
        model = LanguageModel.load(str(shared / "models/stories260K"), name="stories", device="cpu")
        asked = beginnings[: 20 if batch < 20 else 100]  # it also grows
        made[batch] = model.generate(asked, settings(max_new_tokens=150, generation_batch_size=batch), seed=7)
        assert len(made[batch]) == len(asked) == len(set(made[batch]))
    for batch in (1, 7, 20):
        assert made[batch] == made[100][: len(made[batch])]
    assert made[20] == made[100]


SIZES = {"vocab_size": 259, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
KINDS = {
    "llama": {"intermediate_size": 64, "num_key_value_heads": 1},
    "mistral": {"intermediate_size": 64, "num_key_value_heads": 1, "sliding_window": 8},
    "gpt2": {"n_positions": 64},
    "gpt_neox": {"intermediate_size": 64},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 8},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "bloom": {},
    "mamba": {"state_size": 4},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_writes_what_transformers_generate_does(kind, monkeypatch):
    torch.manual_seed(1)
    config = AutoConfig.for_model(kind, max_position_embeddings=64, use_cache=False, **SIZES | KINDS[kind])
    model = AutoModelForCausalLM.from_config(config).eval()
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and "conv" not in name:
            weight.data.normal_(0, 0.3)
    tokenizer = tiny_tokenizer()
    texts = ["A cat", "Dogs"] if kind == "mamba" else ["A cat sat", "One", "Tom ran to the old house.", "No"]
    prompts = [encode(tokenizer, text[:4] if kind == "mamba" else text) for text in texts]
    for options in ({}, {"top_k": 20, "repetition_penalty": 1.5}):
        params = [SamplingParams(i, 70, 0.9, 0.9 if options else 1.0) for i in range(len(prompts))]
        how = {"batch_size": 4, "context": 64, **options}
        ours = sample(model, tokenizer, prompts, params, **how)
        assert all(made.ended or made.tokens == 64 - len(ids) for made, ids in zip(ours, prompts, strict=True))
        assert ours == sample(model, tokenizer, prompts, params, **how | {"batch_size": 1})
        with monkeypatch.context() as patch:
            patch.setattr(sampling, "_growing_cache", lambda model: None)
            assert ours == sample(model, tokenizer, prompts, params, **how)


def test_tokens_are_drawn_as_often_as_their_probabilities_say():
    from scipy.stats import chisquare

    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0, -30.0], dtype=torch.float64)
    for temperature, top_p, top_k in ((1.0, 1.0, None), (0.7, 0.9, None), (1.3, 1.0, 3)):
        expected = (logits / temperature).softmax(-1)
        if top_p < 1:
            expected[expected.cumsum(-1) - expected >= top_p] = 0
        if top_k:
            expected[top_k:] = 0
        rows = 2000
        batch = SimpleNamespace(ids=torch.zeros(rows, 1, dtype=torch.long), mask=None, room=torch.tensor([10]))
        params = [SamplingParams(seed, 10, temperature, top_p) for seed in range(rows)]
        draw = sampling._Draw(params, batch, top_k, 1.0)
        drawn = torch.cat([draw(logits.expand(rows, -1), step) for step in range(10)])
        counts, kept = torch.bincount(drawn, minlength=6), expected > 1e-6
        assert counts[~kept].sum() == 0
        assert chisquare(counts[kept], 10 * rows * expected[kept] / expected[kept].sum()).pvalue > 1e-4


def test_rows_that_end_leave_the_batch(model):
    """A text of one token among long ones: the model sees fewer rows from then on."""
    seen = []
    hook = model.model.register_forward_pre_hook(
        lambda m, a, given: seen.append(len(given["input_ids"])), with_kwargs=True
    )
    prompts = [encode(model.tokenizer, "A")] * 8
    params = [SamplingParams(i, 3 * i + 1) for i in range(8)]
    made = sample(model.model, model.tokenizer, prompts, params, batch_size=8)
    hook.remove()
    assert seen[0] == 8 and seen == sorted(seen, reverse=True) and seen[-1] == 1
    assert [m.tokens <= 3 * i + 1 for i, m in enumerate(made)] == [True] * 8
