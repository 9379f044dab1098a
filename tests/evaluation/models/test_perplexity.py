import math

import pytest
import torch

from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData
from silly_llm.evaluation.metrics.perplexity import Perplexity
from silly_llm.evaluation.models.causal import LanguageModel


def slow_nats(model, ids, positions=48):
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


@pytest.mark.parametrize("window", ["sliding", "cut"])
def test_scores_match_one_document_and_one_token_at_a_time(model, stories, window):
    cut = []
    for text, score in zip(stories, model.score(stories, window), strict=True):
        ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        kept = ids[: score.tokens]
        assert score.bytes == len(model.tokenizer.decode(kept).encode())
        assert score.nats / len(kept) == pytest.approx(slow_nats(model, kept) / len(kept), abs=1e-6)
        assert score.cut == (window == "cut" and len(ids) > 47) == (len(kept) < len(ids))
        cut.append(len(ids) > 47)
    assert sum(cut) >= 2  # some stories are longer than the context


def test_a_cut_never_splits_a_character(model):
    text = "é🎈é🎈 é🎈ü"
    for context in range(4, 40):
        (score,) = LanguageModel(model.model, model.tokenizer, "short", context).score([text], "cut")
        kept = model.tokenizer(text, add_special_tokens=False)["input_ids"][: score.tokens]
        decoded = model.tokenizer.decode(kept)
        assert "\ufffd" not in decoded and len(decoded.encode()) == score.bytes


def test_a_special_token_that_a_text_names_is_text(model):
    text = "Tom <|eos|>."
    (score,) = model.score([text])
    ids = model.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert 1 not in ids and (score.tokens, score.bytes) == (len(ids), len(text))
    assert score.nats == pytest.approx(slow_nats(model, ids), abs=1e-4)


def test_the_order_and_company_of_documents_change_nothing(model, stories):
    alone = [next(iter(model.score([text]))).nats for text in stories]
    together = [score.nats for score in model.score(stories[::-1])][::-1]
    assert together == pytest.approx(alone, abs=1e-4)


def test_bits_per_byte_and_loss_are_ratios_of_sums(model, stories):
    scores = list(model.score(stories))
    metrics = Perplexity(EvaluationArguments(model="x", dataset="y")).evaluate(model, EvaluationData(stories, []))
    nats, bits = sum(score.nats for score in scores), metrics["bits_per_byte"]
    assert bits.value == pytest.approx(nats / math.log(2) / sum(len(text.encode()) for text in stories))
    assert metrics["loss"].value == pytest.approx(nats / sum(score.tokens for score in scores))
    assert bits.low < bits.value < bits.high and bits.n == len(stories)
    assert bits.details["window"] == "sliding" and bits.details["context"] == 48


@pytest.mark.slow
def test_public_model_has_its_known_bits_per_byte(shared, tinystories):
    model = LanguageModel.load(str(shared / "models/stories260K"), name="stories260K", device="cpu")
    scores = list(model.score(tinystories, "cut"))
    nats = sum(score.nats for score in scores)
    assert nats / math.log(2) / sum(score.bytes for score in scores) == pytest.approx(0.939, abs=0.005)
    assert nats / sum(score.tokens for score in scores) == pytest.approx(1.334, abs=0.002)
    assert sum(score.bytes for score in model.score(tinystories)) == sum(len(text.encode()) for text in tinystories)
