"""Near-copies of stories kept before: MinHash and locality-sensitive hashing in one streaming pass.

A story is the set of its pairs of neighbouring words (letters in scripts without spaces), lower case, every name replaced by one
sign: a copy in which Tim has become Tom is a copy. 252 MinHash values (Broder 1997; `rensa` makes them) estimate the Jaccard similarity of two sets. They form 36 bands of
7: stories that agree in a band are candidates (Leskovec, Rajaraman & Ullman, chapter 3), and the one with the highest estimate is the
original if it reaches the threshold. Only the lowest 8 bits of each value are kept (b-bit MinHash, Li & König 2010), so a kept story takes
about 0.6 kB in all. docs/lab-log.md has the measurements behind these numbers.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.data.filters.base import Refusal, Story, StoryFilter
from silly_llm.text.languages import ENGLISH, Language
from silly_llm.text.sentences import FUNCTION_WORDS
from silly_llm.text.words import runs

BANDS, ROWS = 36, 7
VALUES = BANDS * ROWS
"""MinHash values of a story."""
SLOTS = 8
"""Stories that a bucket of the table holds: 2.5 to 5 on average; of phrases that many stories share, the newest stay."""
FULLEST = 5
"""Average entries a bucket at which the table doubles."""
CAPITAL_NOUNS = ("de", "lb")
"""Languages in which a capital letter makes no name: every noun has one."""


@dataclass(frozen=True)
class NearDuplicatesConfig:
    threshold: float = 0.7
    """Estimated Jaccard similarity from which a story is a near-copy."""
    seed: int = 0
    """Of the hash functions."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise RecipeError(f"threshold: must be above 0 and at most 1, got {self.threshold}")


@register("story_filter", "near_duplicates")
class NearDuplicatesFilter(StoryFilter):
    """Refuses near-copies of stories kept before, also with other names and sentences swapped; says whose."""

    stateful = True

    def __init__(self, config: NearDuplicatesConfig, language: Language = ENGLISH) -> None:
        self.config, self.language = config, language
        self.index = SimilarityIndex(config.threshold)
        self.ids: list[str] = []

    def refuse(self, story: Story) -> Refusal | None:
        original = self.index.find_or_add(signature(story["text"], self.config.seed, self.language))
        if original is not None:
            return Refusal("near-copy", self.ids[original])
        self.ids.append(story["id"])
        return None


def signature(text: str, seed: int = 0, language: str = ENGLISH) -> np.ndarray:
    """The MinHash values [VALUES], uint32, of a text."""
    from rensa import RMinHash

    sketch = RMinHash(num_perm=VALUES, seed=seed)
    sketch.update(shingles(text, language))
    return np.array(sketch.digest(), np.uint32)


def shingles(text: str, language: str = ENGLISH) -> list[str]:
    """The pairs of neighbouring words of a text, joined, names masked; a single word is a shingle itself.

    A name is a capitalised word that occurs only capitalised and is not a function word: so one mention more or less
    does not make it another word.
    """
    words = runs(text)
    if language in CAPITAL_NOUNS:
        words = [word.lower() for word in words]
    lower = {word: word.lower() for word in set(words)}
    masked = {word: low if low in lower or low in FUNCTION_WORDS else "@" for word, low in lower.items()}
    words = [masked[word] for word in words]
    return list(map(operator.add, words, words[1:])) if len(words) > 1 else words


class SimilarityIndex:
    """The signatures of kept stories, numbered in order, and a table of buckets, chosen by the hash of a band, with `SLOTS` numbers each.

    Args:
        threshold: estimated Jaccard similarity from which two stories are copies.
    """

    def __init__(self, threshold: float) -> None:
        # Two values agree in 8 bits by chance once in 256: J = (share - 1/256) / (1 - 1/256).
        self._needed = int(np.ceil((threshold * (1 - 1 / 256) + 1 / 256) * VALUES - 1e-9))
        self.count = 0
        self._signatures = np.empty((1 << 10, VALUES), np.uint8)
        self._table = np.zeros((1 << 16, SLOTS), np.uint32)
        """Numbers of stories, from 1; 0 is a free slot."""

    def find_or_add(self, values: np.ndarray) -> int | None:
        """The number of the most similar story (the first of equals) if that is similar enough; else the story is added.

        Args:
            values: [VALUES], uint32.
        """
        signature = values.astype(np.uint8)
        buckets = self._buckets(signature)
        candidates = np.unique(self._table[buckets])
        candidates = candidates[candidates > 0] - 1
        if len(candidates):
            agree = np.count_nonzero(self._signatures[candidates] == signature, axis=1)
            best = agree.argmax()
            if agree[best] >= self._needed:
                return int(candidates[best])
        if self.count == len(self._signatures):
            self._signatures.resize((self.count * 3 // 2, VALUES), refcheck=False)  # in place where the system can
        self._signatures[self.count] = signature
        self._put(self.count, buckets)
        self.count += 1
        if self.count * BANDS > FULLEST * len(self._table):
            self._table = np.zeros((2 * len(self._table), SLOTS), np.uint32)
            for number, kept in enumerate(self._signatures[: self.count]):
                self._put(number, self._buckets(kept))
        return None

    def _buckets(self, signature: np.ndarray) -> np.ndarray:
        """The bucket of each band."""
        keys = np.empty((BANDS, 8), np.uint8)
        keys[:, :ROWS] = signature.reshape(BANDS, ROWS)
        keys[:, ROWS] = np.arange(BANDS)
        hashes = keys.view("<u8")[:, 0] * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(32)
        hashes *= np.uint64(0xBF58476D1CE4E5B9)
        return hashes >> np.uint64(65 - len(self._table).bit_length())

    def _put(self, number: int, buckets: np.ndarray) -> None:
        filled = np.count_nonzero(self._table[buckets], axis=1)
        self._table[buckets, np.where(filled < SLOTS, filled, number % SLOTS)] = number + 1
