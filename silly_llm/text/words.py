"""Words of a text. One definition for filters, measures and the storyteller."""

from __future__ import annotations

import functools
import re

_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")


def tokenize_words(text: str) -> list[str]:
    """The words of `text` in order, as written.

    A word is letters, with apostrophes and hyphens inside (`don't`, `ice-cream`); numbers and punctuation are not words.
    """
    return _WORD.findall(text)


@functools.lru_cache(maxsize=4)
def lower_words(text: str) -> tuple[str, ...]:
    """`tokenize_words` of the text in lower case. The last few are remembered: filters look at a story one after another."""
    return tuple(tokenize_words(text.lower()))
