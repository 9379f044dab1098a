"""Tokenizers: trained, existing, and an existing one cut to its most common tokens."""

import random

import pytest
from datasets import Dataset
from tiny import byte_level_bpe
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from silly_llm.core.errors import RecipeError
from silly_llm.training.corpus.tokenizer import SPECIAL_TOKENS, make_tokenizer

NAMES = ("Tom", "Mia", "Benjamin", "Zoe", "Lily", "Timothy")
THINGS = ("dog", "cat", "castle", "garden", "butterfly", "umbrella", "mountain", "river")
WEIRD = "naïve 日本 🙂\x00\t\r\n   <|endoftext|> ZÜRICH\u200d ﬁn"


def stories(count: int, seed: int, things=THINGS) -> list[str]:
    rng = random.Random(seed)
    return [
        f"{rng.choice(NAMES)} saw a {rng.choice(things)}. It was beautiful, and {rng.choice(NAMES)} wanted another {rng.choice(things)}!"
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def general(tmp_path_factory) -> str:
    """A tokenizer as GPT-Neo's: byte-level BPE, one special token, trained on other text than ours."""
    code = [f"def function_{i}(argument): return [argument_{i % 7} for i in range({i})]" for i in range(300)]
    folder, end = tmp_path_factory.mktemp("general"), "<|endoftext|>"
    bpe = byte_level_bpe([*stories(300, 0), *code], [end], vocab_size=500)
    PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=end, eos_token=end).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def corpus() -> Dataset:
    return Dataset.from_dict({"text": stories(200, 1)})


def cut(general: str | None, corpus: Dataset, size: int, folder) -> PreTrainedTokenizerFast:
    """Cut (without one to cut: trained), saved, and loaded as anyone would."""
    spec = {"pretrained": general, "vocab_size": size}
    make_tokenizer(spec, corpus, "text", 64).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(("size", "trained"), [(262, False), (300, False), (400, False), (300, True)])
def test_a_tokenizer_is_whole_and_loses_no_byte(general, corpus, tmp_path, size, trained):
    tokenizer = cut(None if trained else general, corpus, size, tmp_path)
    vocabulary = tokenizer.get_vocab()
    assert len(tokenizer) == size and sorted(vocabulary.values()) == list(range(size))
    assert [vocabulary[token] for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4, 5]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (0, 1, 2)
    assert tokenizer("Tom")["input_ids"][0] == 0 and 1 not in tokenizer("Tom")["input_ids"]
    for text in [WEIRD, *stories(50, 2)]:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_every_kept_token_can_be_reached(general, corpus, tmp_path):
    """A token whose parts were dropped would never be merged."""
    tokenizer = cut(general, corpus, 400, tmp_path)
    for token, number in tokenizer.get_vocab().items():
        text = tokenizer.convert_tokens_to_string([token])
        if token not in SPECIAL_TOKENS and "\ufffd" not in text:
            assert tokenizer(text, add_special_tokens=False)["input_ids"] == [number], token


def test_text_is_cut_as_before_where_all_its_tokens_are_kept(general, corpus, tmp_path):
    old = AutoTokenizer.from_pretrained(general)
    tokenizer = cut(general, corpus, 420, tmp_path)
    used = {token for text in corpus["text"] for token in old.tokenize(text)}
    assert used <= tokenizer.get_vocab().keys(), "the test needs a size that holds all that is used"
    assert len(tokenizer) < len(old)
    for text in corpus["text"]:
        assert tokenizer.tokenize(text, add_special_tokens=False) == old.tokenize(text)


def test_the_most_common_tokens_are_kept(general, corpus, tmp_path):
    """Code, which the corpus does not have, goes first; tokens of the corpus last."""
    kept = cut(general, corpus, 330, tmp_path).get_vocab()
    old = AutoTokenizer.from_pretrained(general).get_vocab()
    assert "argument" in old and "argument" not in kept
    assert "Ġwas" in kept and "Ġsaw" in kept


def test_what_is_no_byte_level_bpe_is_refused(corpus, tmp_path):
    words = Tokenizer(models.WordLevel({"<unk>": 0, "Tom": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<unk>").save_pretrained(tmp_path)
    with pytest.raises(RecipeError, match="only a fast byte-level BPE"):
        make_tokenizer({"pretrained": str(tmp_path), "vocab_size": 300}, corpus, "text", 64)


def test_vocabularies_that_nothing_fills_are_refused(general, corpus):
    with pytest.raises(RecipeError, match=r"vocab_size: 900 is more than the 505 tokens there are"):
        make_tokenizer({"pretrained": general, "vocab_size": 900}, corpus, "text", 64)
    with pytest.raises(RecipeError, match=r"no such file or folder \(looked for /"):
        make_tokenizer({"pretrained": "./nowhere", "vocab_size": 300}, corpus, "text", 64)


def test_few_texts_make_a_smaller_vocabulary_and_say_so(corpus, capsys):
    tokenizer = make_tokenizer({"vocab_size": 5000}, corpus.select(range(10)), "text", 64)
    assert 262 < len(tokenizer) < 500
    assert f"tokenizer: {len(tokenizer)} tokens instead of 5,000" in capsys.readouterr().out
