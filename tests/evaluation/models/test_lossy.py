"""Tokenizers that lose bytes, made for real: what a model does not have to predict must not make it look better."""

import math

import pytest
import torch
from tiny import byte_level_bpe
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData
from silly_llm.evaluation.metrics.perplexity import Perplexity
from silly_llm.evaluation.models.causal import LanguageModel
from silly_llm.evaluation.models.spelling import lossy_bytes

NAMES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
SPECIAL = list(NAMES.values())


def with_normalizer(normalizer=None):
    raw = byte_level_bpe([], SPECIAL)
    raw.normalizer = normalizer
    return PreTrainedTokenizerFast(tokenizer_object=raw, **NAMES)


def words_only(known=()):
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*SPECIAL, *known])}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=raw, **NAMES)


@pytest.mark.parametrize(
    ("normalizer", "text", "lossy"),
    [
        (None, "The café was closed. 🎈\n\n“Oh!”  said Tom.", 0),
        (normalizers.Lowercase(), "The Dog saw Émile and Dog.", 3 + 2),
        (normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), "the café", 2),
        (normalizers.Replace(Regex(" +"), " "), "a  b   c d", 3),
        (normalizers.Replace(Regex("[0-9]"), ""), "in 1984, yes", 4),
        (normalizers.Replace(Regex("[^a-z ]"), "x"), "ab ČČ c", 4),
        (normalizers.Replace(Regex(".*"), ""), "nothing is left", 15),
    ],
)
def test_bytes_that_a_normalizer_loses_are_counted_exactly(normalizer, text, lossy):
    tokenizer = with_normalizer(normalizer)
    assert lossy_bytes(tokenizer, text, tokenizer(text, add_special_tokens=False)["input_ids"]) == lossy


def test_unknown_tokens_count_with_the_text_that_they_stand_for():
    tokenizer = words_only(["the", "dog"])
    for text, lossy in [("the dog", 0), ("the monk dog", 4), ("unk", 3), ("the unkempt dog unk", 10), ("the  dog", 1)]:
        assert lossy_bytes(tokenizer, text, tokenizer(text, add_special_tokens=False)["input_ids"]) == lossy, text


def test_a_long_text_takes_no_hours():
    tokenizer = with_normalizer(normalizers.Lowercase())
    text = "The cat saw the Dog and the dog saw a cat. " * 3000
    lossy = lossy_bytes(tokenizer, text, tokenizer(text, add_special_tokens=False)["input_ids"])
    assert 6000 <= lossy < 6600


@pytest.fixture(scope="module")
def only_unknown():
    """A model whose vocabulary maps every word to <unk>, trained until it predicts that well."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=3, max_position_embeddings=512, **sizes))
    rows = torch.full((4, 64), 2)
    rows[:, 0] = 0
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        model(input_ids=rows, labels=rows).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return LanguageModel(model, words_only(), "only <unk>")


def measured(model, texts, window="sliding"):
    arguments = EvaluationArguments(model="x", dataset="y", window=window)
    return Perplexity(arguments).evaluate(model, EvaluationData(texts, []))


def test_the_unk_model_does_not_win(only_unknown, model, stories, capsys):
    raw = sum(s.nats for s in only_unknown.score(stories)) / math.log(2) / sum(len(t.encode()) for t in stories)
    assert raw < 0.1  # what it had been called best with
    found, honest = measured(only_unknown, stories)["bits_per_byte"], measured(model, stories)["bits_per_byte"]
    assert found.details["lossy_share"] > 0.75 and honest.details["lossy_share"] == 0
    assert found.value == pytest.approx(raw + 8 * found.details["lossy_share"]) and found.value > 6
    said = capsys.readouterr().out
    assert f"{found.details['unknown_tokens']} unknown tokens" in said and "never called best" in said


def test_a_model_that_reads_nothing_pays_for_all(only_unknown):
    silent = LanguageModel(only_unknown.model, with_normalizer(normalizers.Replace(Regex(".*"), "")), "silent")
    found = measured(silent, ["Once upon a time.", "A dog."])
    assert found["bits_per_byte"].value == pytest.approx(8) and "loss" not in found


def test_a_cut_at_32_positions_says_which_bytes_were_scored(model, stories, capsys):
    short = LanguageModel(model.model, model.tokenizer, "short", 32)
    cut, whole = measured(short, stories, "cut")["bits_per_byte"], measured(model, stories)["bits_per_byte"]
    assert list(cut.units.ids) == list(whole.units.ids)
    same = [a == b for a, b in zip(cut.units.denominators, whole.units.denominators, strict=True)]
    assert same.count(False) == cut.details["documents_cut"] == 7
    assert cut.details["bytes"] + cut.details["bytes_cut"] == sum(len(text.encode()) for text in stories)
    assert "short: scored: 7 of 8 documents are cut at 32 positions" in capsys.readouterr().out
    assert measured(short, stories)["bits_per_byte"].units.denominators == whole.units.denominators


@pytest.mark.slow
def test_a_sentencepiece_tokenizer_loses_nothing(shared, tinystories):
    model = LanguageModel.load(str(shared / "models/stories260K"), name="stories260K", device="cpu")
    assert not any(score.lossy or score.unknown for score in model.score(tinystories[:50], "cut"))
