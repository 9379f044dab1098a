"""Words of a text. One definition for filters, measures and the storyteller."""

from __future__ import annotations

import functools
import re

_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_ASCII_WORD = re.compile(r"[a-z]+(?:['\-][a-z]+)*")


def tokenize_words(text: str) -> list[str]:
    """The words of `text` in order, as written.

    A word is letters, with apostrophes and hyphens inside (`don't`, `ice-cream`); numbers and punctuation are not words.
    """
    return _WORD.findall(text)


@functools.lru_cache(maxsize=4)
def lower_words(text: str) -> tuple[str, ...]:
    """`tokenize_words` of the text in lower case. The last few are remembered: filters look at a story one after another."""
    text = text.lower()
    return tuple((_ASCII_WORD if text.isascii() else _WORD).findall(text))  # the former is a third faster


@functools.lru_cache(maxsize=4)
def word_set(text: str) -> frozenset[str]:
    """The different `lower_words` of the text, remembered alike."""
    return frozenset(lower_words(text))
