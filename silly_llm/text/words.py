"""Words of a text. One definition for filters, measures and the storyteller."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")


def tokenize_words(text: str) -> list[str]:
    """The words of `text` in order, as written.

    A word is letters, with apostrophes and hyphens inside (`don't`, `ice-cream`); numbers and punctuation are not words.
    """
    return _WORD.findall(text)
