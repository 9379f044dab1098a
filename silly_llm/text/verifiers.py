"""Checks of a story against what was asked for, by rules: how much of it holds.

One module for all that ask: metrics of instruction following, proofs of instruction data, rewards. Each check is a pure function
`(text, wanted, language) -> Held`; `VERIFIERS` has them by the name of the instruction type. What the rules of a language cannot tell
is not counted as asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from silly_llm.text.features import detect_features, features_known, has_bad_ending, has_happy_ending
from silly_llm.text.inflection import find_word, includes_word
from silly_llm.text.languages import ENGLISH
from silly_llm.text.sentences import split_sentences
from silly_llm.text.words import composed, count_words, has_unspaced

OUTCOMES: dict[str, Callable[[str], bool]] = {"happy": has_happy_ending, "sad": has_bad_ending}
"""Endings that rules can tell, in English."""


class Held(NamedTuple):
    """How much of what was asked for a text has."""

    found: int
    asked: int

    def __bool__(self) -> bool:
        """Whether all of it holds."""
        return self.found == self.asked


Verifier = Callable[..., Held]
"""`(text, wanted, language="en") -> Held`; what `wanted` is, each says."""


def words(text: str, wanted: Sequence[str], language: str = ENGLISH) -> Held:
    """Words or phrases, inflected or not, in any case."""
    return _count(includes_word(text, word, language) for word in wanted)


def exact_words(text: str, wanted: Sequence[str], language: str = ENGLISH) -> Held:
    """Words or phrases as they are written, in any case, not inflected."""
    return _count(_stands(text.lower(), word.lower()) for word in wanted)


def names(text: str, wanted: Sequence[str] | str, language: str = ENGLISH) -> Held:
    """Names of characters: as written, capitals included, alone or with an ending after an apostrophe (`Tim's`)."""
    return _count(_stands(text, name) for name in _listed(wanted))


def sentence(text: str, wanted: Sequence[str] | str, language: str = ENGLISH) -> Held:
    """Sentences, verbatim but for white space, and not as the first sentence of the text."""
    rest = f" {' '.join(split_sentences(text)[1:])} "
    return _count(f" {' '.join(split_sentences(s))} " in rest for s in _listed(wanted))


def features(text: str, wanted: Sequence[str], language: str = ENGLISH) -> Held:
    """Features that `text/features.py` has rules for in the language; others are not counted."""
    known = [feature for feature in wanted if feature in features_known(language)]
    return Held(len(detect_features(text, known)), len(known))


def ending(text: str, wanted: str, language: str = ENGLISH) -> Held:
    """`happy` or `sad` by rules (English only), else the last sentence, verbatim but for white space."""
    if wanted in OUTCOMES:
        return _count([OUTCOMES[wanted](text)] if language == ENGLISH else [])
    last = " ".join(split_sentences(wanted))
    return _count([bool(last) and f" {' '.join(split_sentences(text))}".endswith(f" {last}")])


def first_line(text: str, wanted: str, language: str = ENGLISH) -> Held:
    """The words that the text begins with, verbatim but for white space."""
    begin, beginning = (" ".join(t.split()) for t in (text, wanted))
    follows = begin[len(beginning) : len(beginning) + 1]
    cut = bool(follows) and (follows + beginning[-1:]).isalnum() and not has_unspaced(follows)
    return _count([begin.startswith(beginning) and not cut])


def word_count(text: str, wanted: Sequence[int], language: str = ENGLISH) -> Held:
    """A length in words (in scripts without spaces, letters), from `wanted[0]` to `wanted[1]`."""
    return _count([wanted[0] <= count_words(text) <= wanted[1]])


def sentence_count(text: str, wanted: Sequence[int], language: str = ENGLISH) -> Held:
    """A length in sentences, from `wanted[0]` to `wanted[1]`."""
    return _count([wanted[0] <= len(split_sentences(text)) <= wanted[1]])


def occurrences(text: str, wanted: Mapping[str, int], language: str = ENGLISH) -> Held:
    """Words, inflected or not, that stand at least as often as their number says."""
    return _count(sum(1 for _ in find_word(text, word, language)) >= least for word, least in wanted.items())


VERIFIERS: dict[str, Verifier] = {
    check.__name__: check
    for check in (
        *(words, exact_words, names, sentence, features),
        *(ending, first_line, word_count, sentence_count, occurrences),
    )
}
"""By the name of the instruction type, which is also the column of a dataset that says what is wanted."""


def verify(text: str, wanted: Mapping[str, Any], language: str = ENGLISH) -> dict[str, Held]:
    """The checks of all types that there is a verifier for and that ask for something."""
    checked = {name: VERIFIERS[name](text, value, language) for name, value in wanted.items() if name in VERIFIERS}
    return {name: held for name, held in checked.items() if held.asked}


def _count(holds: Iterable[bool]) -> Held:
    held = list(holds)
    return Held(sum(held), len(held))


def _listed(wanted: Sequence[str] | str) -> Sequence[str]:
    return [wanted] if isinstance(wanted, str) else wanted


def _stands(text: str, word: str) -> bool:
    """Whether it stands in the text as a whole word, which in scripts without spaces nobody can tell."""
    text, word = composed(text), re.escape(composed(word.strip()))
    return re.search(word if has_unspaced(word) else rf"(?<!\w){word}(?!\w)", text) is not None
