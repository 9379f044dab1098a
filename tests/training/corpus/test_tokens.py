"""Ids on disk are exactly those of the tokenizer, whatever the text and however many processes made them."""

import random

import pytest
from datasets import Dataset
from tokenizers.pre_tokenizers import ByteLevel

from silly_llm.training.corpus import tokens as module
from silly_llm.training.corpus.documents import first_bytes, without_shared_runs
from silly_llm.training.corpus.tokenizer import TokenizerConfig, train_tokenizer
from silly_llm.training.corpus.tokens import Encoder, tokenize

PIECES = [
    *("the", "Tom's", "I'll", "they've", "'S", "''t", "don't", "we'd", "U.S.", "x_y", "3.14", "1st", "¡Hola!", "naïve", "猫"),
    *(" ", "  ", "   ", "\n", "\n\n", " \n ", "\t", "\r\n", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0", "\u2003", "\x00", "\x7f"),
    *("...", "!?", '"', "'", "-", "--", "$5", "<b>", "<|eos|>", "<|user|>", "a" * 40),
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def texts():
    draw = random.Random(0)
    return ["".join(draw.choices(PIECES, k=draw.randrange(1, 30))) for _ in range(3_000)]


def trained_bpe(texts):
    return train_tokenizer(texts, TokenizerConfig(vocab_size=400), max_length=64)


def spaced_bpe(texts):
    """Not the byte-level BPE of GPT-2: words are not looked up."""
    tokenizer = trained_bpe(texts)
    tokenizer.backend_tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=True)
    return tokenizer


@pytest.mark.parametrize(("make", "by_word"), [(trained_bpe, True), (spaced_bpe, False)])
def test_ids_are_those_of_the_tokenizer(texts, make, by_word):
    tokenizer = make(texts[:500])
    encoder = Encoder(tokenizer)
    assert encoder.by_word is by_word
    for text, ids in zip(texts, encoder.encode(texts), strict=True):
        expected = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert not {tokenizer.bos_token_id, tokenizer.eos_token_id} & set(expected), "named in a text, they are text"
        assert ids.tolist() == [tokenizer.bos_token_id, *expected, tokenizer.eos_token_id], repr(text)


def test_processes_write_what_one_writes(texts, monkeypatch):
    tokenizer = trained_bpe(texts[:500])
    monkeypatch.setattr(module, "SHARD_BYTES", 30_000)
    dataset = Dataset.from_dict({"text": [*texts, "", None]})
    alone = tokenize(dataset, tokenizer, text_column="text", processes=1)
    ids = alone.ids.tolist()
    documents = alone.lengths.tolist()
    alone.folder.rename(alone.folder.with_name("moved"))
    shared = tokenize(dataset, tokenizer, text_column="text", processes=2)
    assert shared.ids.tolist() == ids and shared.lengths.tolist() == documents
    assert len(documents) == sum(not module.is_blank(text) for text in texts) and sum(documents) == len(ids)
    assert not list(shared.folder.parent.glob("*.partial"))


def test_an_interrupted_tokenizing_leaves_nothing_that_counts(texts, monkeypatch):
    tokenizer = trained_bpe(texts[:500])
    dataset = Dataset.from_dict({"text": texts})

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_shard", full)
        with pytest.raises(OSError, match="No space left"):
            tokenize(dataset, tokenizer, text_column="text")
    assert not list(module.cache_folder().iterdir())
    assert tokenize(dataset, tokenizer, text_column="text").ids.size


def test_the_first_bytes_and_no_shared_runs():
    texts = Dataset.from_dict({"text": ["né", None, "abc", "a b c d e", "x a b c d y"]})
    assert first_bytes(texts, "text", 6)["text"] == ["né", None, "abc"]
    assert first_bytes(texts, "text", 1)["text"] == ["né"]
    held_out = Dataset.from_dict({"text": ["so A B, C d."]})
    assert without_shared_runs(texts, held_out, "text", 4)["text"] == ["né", None, "abc"]
    assert len(without_shared_runs(texts, held_out, "text", 5)) == 5
