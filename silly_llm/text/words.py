"""Words of a text, in any script. A single definition for filters, metrics and the storyteller."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

import regex

_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_RUN = re.compile(r"\w+")
_ASCII_WORD = re.compile(r"[a-z]+(?:['\-][a-z]+)*")
_SCRIPTS = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_UNSPACED = regex.compile(rf"(?V1)[[{_SCRIPTS}]&&\p{{L}}]")
"""A letter of a script written without spaces."""
_LETTER = rf"[\p{{L}}--[{_SCRIPTS}]][\p{{M}}\u200c\u200d]*"
_ANY_WORD = regex.compile(rf"(?V1)[[{_SCRIPTS}]&&\p{{L}}]\p{{M}}*|(?:{_LETTER})+(?:['’\-](?:{_LETTER})+)*")
_ANY_RUN = regex.compile(rf"(?V1)[[{_SCRIPTS}]&&\p{{L}}]\p{{M}}*|[\w--[[{_SCRIPTS}]&&\p{{L}}]]+")
# Combining marks, and all scripts after Armenian: only there the slower patterns differ from the faster ones.
_SLOW = re.compile("[\u0300-\u036f\u0483-\u0489\u0590-\u1fff\u2e80-\ud7ff\uf900-\ufaff\ufe20-\ufe2f\uff00-\uffef\U00020000-\U0003ffff]")  # fmt: skip


def tokenize_words(text: str) -> list[str]:
    """The words of `text` in order, as written.

    A word consists of letters, with apostrophes and hyphens inside (`don't`, `ice-cream`); numbers and punctuation are not words. In
    scripts written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each letter is a word, which needs no
    dictionary and is the same everywhere.
    """
    return _word(text).findall(text)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each of the `tokenize_words`."""
    return [match.span() for match in _word(text).finditer(text)]


def runs(text: str) -> list[str]:
    """Runs of letters and digits; in scripts without spaces, single letters."""
    return (_RUN if _is_plain(text) else _ANY_RUN).findall(text)


def count_words(text: str) -> int:
    """The length of a text in whitespace-separated words; in scripts without spaces each letter counts."""
    return len(tokenize_words(text)) if has_unspaced(text) else len(text.split())


def first_words(text: str, count: int) -> str:
    """The beginning of a text up to the end of word number `count`, as `count_words` counts; the whole text if it is shorter."""
    text = text.strip()
    if count < 1:
        return ""
    if has_unspaced(text):
        spans = word_spans(text)
        return text[: spans[count - 1][1]] if len(spans) >= count else text
    start = re.match(rf"(?:\S+\s+){{0,{count - 1}}}\S+", text)
    return start.group(0) if start else ""


def join_words(words: Sequence[str]) -> str:
    """Words joined into a text: with spaces, but not between two letters of scripts written without them."""
    joined = ""
    for word in words:
        glued = (
            has_unspaced(joined) and (joined[-1] in "。！？」』）" or has_unspaced(joined[-1])) and has_unspaced(word)
        )
        joined += word if glued or not joined else f" {word}"
    return joined


def has_unspaced(text: str) -> bool:
    """Whether it contains a letter of a script without spaces."""
    return not _is_plain(text) and _UNSPACED.search(text) is not None


def mostly_unspaced(text: str) -> bool:
    """Whether most words of the text are letters of a script without spaces."""
    return has_unspaced(text) and 2 * len(_UNSPACED.findall(text)) > len(tokenize_words(text))


def composed(text: str) -> str:
    """The text in Unicode's composed form (NFC), in which an accent is part of its letter."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@functools.lru_cache(maxsize=4)
def lower_words(text: str) -> tuple[str, ...]:
    """`tokenize_words` of the text in lower case. The last few are cached, since filters read the same story one after another."""
    low = text.lower()
    if low.isascii():  # a third faster
        return tuple(_ASCII_WORD.findall(low))
    return tuple(_WORD.findall(low) if _is_plain(text) else _ANY_WORD.findall(composed(low)))


@functools.lru_cache(maxsize=4)
def word_set(text: str) -> frozenset[str]:
    """The distinct `lower_words` of the text, cached in the same way."""
    return frozenset(lower_words(text))


@functools.lru_cache(maxsize=4)
def _is_plain(text: str) -> bool:
    """Whether the faster patterns suffice."""
    return text.isascii() or not _SLOW.search(text)


def _word(text: str) -> re.Pattern[str] | regex.Pattern[str]:
    return _WORD if _is_plain(text) else _ANY_WORD
