"""Nothing but understanding tells the right texts of our suites: each is balanced, and a test of each shallow way to cheat."""

import re
from collections import Counter

import pytest
from wordfreq import zipf_frequency

from silly_llm.core.errors import RecipeError
from silly_llm.evaluation.suites.pairs import FOLDER, SLOT, SUITES, read_suite

WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
ITEMS = {"factual": 75, "reasoning": 75, "context_tracking": 75, "world_knowledge": 60}


def words(text: str) -> list[str]:
    return WORD.findall(text.lower())


@pytest.fixture(scope="module", params=SUITES)
def suite(request):
    return request.param, read_suite(FOLDER / f"{request.param}.yaml")


def test_enough_pairs_and_none_twice(suite):
    name, pairs = suite
    assert len(pairs) >= 100 and len({pair.item for pair in pairs}) == len(pairs) / 2 >= ITEMS[name]
    both = [frozenset((pair.good, pair.bad)) for pair in pairs]
    assert len({(pair.good, pair.bad) for pair in pairs}) == len(pairs) and all(len(texts) == 2 for texts in both)
    assert min(Counter(pair.paradigm for pair in pairs).values()) >= 12


def test_members_differ_in_a_few_words_only(suite):
    _, pairs = suite
    for pair in pairs:
        good, bad = Counter(words(pair.good)), Counter(words(pair.bad))
        assert max((good - bad).total(), (bad - good).total()) <= 7, pair


def test_length_does_not_tell(suite):
    _, pairs = suite
    for measure in (len, lambda text: len(words(text))):
        longer = [measure(p.good) > measure(p.bad) for p in pairs if measure(p.good) != measure(p.bad)]
        assert 0.45 <= sum(longer) / len(longer) <= 0.55


def test_frequency_of_words_does_not_tell(suite):
    _, pairs = suite
    means = [[sum(zipf_frequency(w, "en") for w in words(t)) / len(words(t)) for t in (p.good, p.bad)] for p in pairs]
    commoner = [good > bad for good, bad in means if good != bad]
    assert 0.45 <= sum(commoner) / len(commoner) <= 0.55


def test_what_was_mentioned_last_does_not_tell():
    """Of both targets that stand in the context, the last one is right about as often as the first."""
    last = []
    for line in (FOLDER / "context_tracking.yaml").read_text(encoding="utf-8").splitlines():
        context, _, target = line.partition(" => ")
        for right, wrong in (place if n else place[::-1] for place in SLOT.findall(target) for n in (1, 0)):
            told = SLOT.sub(r"\1" if (right, wrong) in SLOT.findall(target) else r"\2", context)
            places = [told.rfind(right), told.rfind(wrong)]
            if min(places) >= 0:
                last.append(places[0] > places[1])
    assert len(last) >= 60 and 0.4 <= sum(last) / len(last) <= 0.6


def test_words_are_a_young_childs(suite):
    _, pairs = suite
    used = {word for pair in pairs for word in words(pair.good)}
    rare = {word for word in used if zipf_frequency(word.removesuffix("'s"), "en") < 2.3}
    assert not rare - {"oink", "giggled", "swimsuits"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("items: [a]", "expected `compare"),
        ("compare: words\nitems: {a: 'x'}", "expected `compare"),
        ("compare: targets\nitems:\n  a: |\n    The {cat|dog} => says {woof}.", "each with {a|b}"),
        ("compare: targets\nitems:\n  a: |\n    The {cat|dog} says {meow|woof}.", "CONTEXT => TARGET"),
        ("{", "cannot be read as YAML"),
    ],
)
def test_what_is_no_suite_is_one_line(tmp_path, content, message):
    (tmp_path / "own.yaml").write_text(content)
    with pytest.raises(RecipeError, match=re.escape(message)):
        read_suite(tmp_path / "own.yaml")


def test_a_line_gives_two_pairs(tmp_path):
    (tmp_path / "own.yaml").write_text("compare: targets\nitems:\n  a: |\n    The {cat|dog} => says {meow|woof}.\n")
    both = [(pair.good, pair.bad) for pair in read_suite(tmp_path / "own.yaml")]
    assert both == [("The cat says meow.", "The cat says woof."), ("The dog says woof.", "The dog says meow.")]
    assert SLOT.findall("The {cat|dog}") == [("cat", "dog")]
