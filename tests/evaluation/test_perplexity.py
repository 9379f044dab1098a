import json
import math

import pytest
import torch

from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData
from silly_llm.evaluation.metrics.perplexity import Perplexity
from silly_llm.evaluation.model import LanguageModel


@pytest.fixture(scope="module")
def model(tiny_model):
    return LanguageModel.load(str(tiny_model), name="tiny", device="cpu")


def slow_nats(model, ids, positions):
    """Token by token: each predicted from begin-of-text and the tokens before it, one document at a time."""
    total = 0.0
    for i, token in enumerate(ids):
        if i + 1 < positions:
            start = 0
        else:  # the window that first reaches this token
            first = positions - 1
            step = positions - 1 - positions // 2
            start = first + (i - first) // step * step - positions // 2
        with torch.no_grad():
            logits = model.model(torch.tensor([[model.bos_token_id, *ids[start:i]]])).logits[0, -1]
        total -= torch.log_softmax(logits.double(), -1)[token].item()
    return total


def test_scores_match_one_document_and_one_token_at_a_time(model, stories):
    for text, score in zip(stories, model.score(stories), strict=True):
        ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert score.tokens == len(ids) and score.bytes == len(text.encode()) and not score.cut
        assert score.nats / len(ids) == pytest.approx(slow_nats(model, ids, 48) / len(ids), abs=1e-6)


def test_some_stories_are_longer_than_the_context(model, stories):
    assert sum(len(model.tokenizer(text)["input_ids"]) > 48 for text in stories) >= 2


def test_cut_scores_exactly_the_text_it_counts(model, stories):
    for text, score in zip(stories, model.score(stories, "cut"), strict=True):
        ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        kept = ids[: score.tokens]
        assert score.tokens <= 47 and score.cut == (len(ids) > 47)
        assert score.bytes == len(model.tokenizer.decode(kept).encode())
        assert score.nats / len(kept) == pytest.approx(slow_nats(model, kept, 48) / len(kept), abs=1e-6)


def test_a_cut_never_splits_a_character(model):
    for context in range(4, 40):
        short = LanguageModel(model.model, model.tokenizer, "short", context)
        (score,) = short.score(["é🎈é🎈 é🎈ü"], "cut")
        kept = short.tokenizer("é🎈é🎈 é🎈ü", add_special_tokens=False)["input_ids"][: score.tokens]
        decoded = short.tokenizer.decode(kept)
        assert "\ufffd" not in decoded and len(decoded.encode()) == score.bytes


def test_a_special_token_that_a_text_names_is_text(model):
    text = "Tom wrote <|eos|> and <|pad|>."
    ids, length = model._encode(text, None)
    assert not {0, 1, 2} & set(ids) and length == len(text) and model.tokenizer.decode(ids) == text


def test_the_order_and_company_of_documents_change_nothing(model, stories):
    alone = [next(iter(model.score([text]))).nats for text in stories]
    together = [score.nats for score in model.score(stories[::-1])][::-1]
    assert together == pytest.approx(alone, abs=1e-4)


def test_bits_per_byte_and_loss_are_ratios_of_sums(model, stories):
    scores = list(model.score(stories))
    metrics = Perplexity(EvaluationArguments(model="x", dataset="y")).evaluate(model, EvaluationData(stories, []))
    nats = sum(score.nats for score in scores)
    bits = metrics["bits_per_byte"]
    assert bits.value == pytest.approx(nats / math.log(2) / sum(len(text.encode()) for text in stories))
    assert metrics["loss"].value == pytest.approx(nats / sum(score.tokens for score in scores))
    assert bits.low < bits.value < bits.high and bits.n == len(stories)
    assert bits.details["window"] == "sliding" and bits.details["context"] == 48


@pytest.mark.slow
def test_public_model_has_its_known_bits_per_byte(shared):
    file = shared / "data/tinystories/validation.jsonl"
    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    model = LanguageModel.load(str(shared / "models/stories260K"), name="stories260K", device="cpu")
    scores = list(model.score(texts, "cut"))
    nats = sum(score.nats for score in scores)
    assert nats / math.log(2) / sum(score.bytes for score in scores) == pytest.approx(0.939, abs=0.005)
    assert nats / sum(score.tokens for score in scores) == pytest.approx(1.334, abs=0.002)
    everything = list(model.score(texts))
    assert sum(score.bytes for score in everything) == sum(len(text.encode()) for text in texts)
