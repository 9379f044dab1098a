"""Sentences, and the content words of a text."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import regex

from silly_llm.text import TABLES
from silly_llm.text.languages import ENGLISH
from silly_llm.text.words import mostly_unspaced, tokenize_words

FUNCTION_WORDS = frozenset(TABLES["function_words"])
"""English words without meaning of their own."""
STOP_WORDS = FUNCTION_WORDS.union(TABLES["stop_words"])
"""Words that say little about the topic of a story: function words, and the verbs and adverbs of any story."""
# A sentence does not begin with a lower-case letter; Chinese and Japanese marks end one without a following space.
_BREAK = re.compile(
    r"([.!?…।؟۔][\"”'’»]*)\s+(?=[\"“‘'«„¿¡—]*(?:[A-Z]|[^\W\d_\x00-\x7f]))|([。！？][”’」』）]*)\s*|\n+"
)
_SMALL = regex.compile(r"[\"“‘'«„¿¡—]*\p{Ll}")


def split_sentences(text: str) -> list[str]:
    """The sentences of a story, in order, with whitespace collapsed. Closing quotation marks stay with their sentence."""
    return [" ".join(text[start:end].split()) for start, end in sentence_spans(text)]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each of the `split_sentences`, whitespace around them left out."""
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _BREAK.finditer(text):
        if match.lastindex == 1 and _SMALL.match(text, match.end()):
            continue
        spans.append((start, match.end(match.lastindex) if match.lastindex else match.start()))
        start = match.end()
    spans.append((start, len(text)))
    sentences = [(start, text[start:end]) for start, end in spans]
    return [(at + len(s) - len(s.lstrip()), at + len(s.rstrip())) for at, s in sentences if not s.isspace() and s]


def content_words(text: str, rng: random.Random, count: int = 3, language: str = ENGLISH) -> tuple[str, ...]:
    """`count` different content words of the text, for datasets that do not record the requested words.

    Function words and names (words that only occur capitalized) do not count. Empty if there are fewer than `count` candidates,
    in languages written without spaces, and in those without a list of common words.
    """
    if language == ENGLISH:
        words = set(re.findall(r"(?<![\w'’])[a-z]{3,14}(?![\w'’])", text))
        common: Iterable[str] = STOP_WORDS
    else:
        from wordfreq import available_languages, top_n_list

        if language not in available_languages() or mostly_unspaced(text):
            return ()
        words = {word for word in tokenize_words(text) if word.islower() and 3 <= len(word) <= 14}
        common = top_n_list(language, 200)
    candidates = sorted(words.difference(common))
    return tuple(rng.sample(candidates, count)) if len(candidates) >= count else ()
