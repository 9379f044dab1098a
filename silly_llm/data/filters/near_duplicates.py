"""Near-copies of stories kept before: MinHash and locality-sensitive hashing in one streaming pass.

A story is the set of its pairs of neighbouring words (letters in scripts without spaces), in lower case, with every name replaced
by a placeholder: a copy in which Tim has become Tom is a copy. 252 MinHash values (Broder 1997; computed by `rensa`) estimate the
Jaccard similarity of two sets. They form 36 bands of 7: stories that agree in a band are candidates (Leskovec, Rajaraman & Ullman,
chapter 3), and the one with the highest estimate is the original if it reaches the threshold. Only the lowest 8 bits of each value
are kept (b-bit MinHash, Li & König 2010), so a kept story takes about 0.6 kB. docs/lab-log.md has the measurements behind these numbers.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np

from silly_llm.core.registry import register
from silly_llm.core.schema import require
from silly_llm.data.filters.base import Refusal, Story, StoryFilter
from silly_llm.text.languages import ENGLISH, Language
from silly_llm.text.sentences import FUNCTION_WORDS
from silly_llm.text.words import runs

BANDS, ROWS = 36, 7
VALUES = BANDS * ROWS
"""MinHash values per story."""
SLOTS = 8
"""Stories per bucket of the table: 2.5 to 5 on average; for phrases that many stories share, the newest are kept."""
FULLEST = 5
"""Average entries per bucket at which the table doubles."""
CAPITAL_NOUNS = ("de", "lb")
"""Languages in which a capital letter does not indicate a name, since every noun has one."""


@dataclass(frozen=True)
class NearDuplicatesConfig:
    threshold: float = 0.7
    """Estimated Jaccard similarity at which a story counts as a near-copy."""
    seed: int = 0
    """Seed of the hash functions."""

    def __post_init__(self) -> None:
        require(self, "threshold", 0 < self.threshold <= 1, "must be above 0 and at most 1")


@register("story_filter", "near_duplicates")
class NearDuplicatesFilter(StoryFilter):
    """Refuses near-copies of stories kept before, including those with other names or swapped sentences; names the original."""

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
    """The pairs of neighbouring words of a text, joined, with names masked; a single word is itself a shingle.

    A name is a capitalized word that occurs only capitalized and is not a function word, so one mention more or less
    does not turn it into another word.
    """
    words = runs(text)
    if language in CAPITAL_NOUNS:
        words = [word.lower() for word in words]
    different = set(words)
    masked = {word: low if (low := word.lower()) in different or low in FUNCTION_WORDS else "@" for word in different}
    words = [masked[word] for word in words]
    return list(map(operator.add, words, words[1:])) if len(words) > 1 else words


class SimilarityIndex:
    """The signatures of kept stories, numbered in order.

    A table of buckets, selected by the hash of a band, each with `SLOTS` story numbers and 8 more bits of their hashes, which
    distinguish most stories in the same bucket without looking at their signatures. Hashes are computed from the
    signatures, so the table can grow without storing them.

    Args:
        threshold: estimated Jaccard similarity at which two stories are copies.
    """

    def __init__(self, threshold: float) -> None:
        # Two values agree in 8 bits by chance once in 256: J = (share - 1/256) / (1 - 1/256).
        self._needed = int(np.ceil((threshold * (1 - 1 / 256) + 1 / 256) * VALUES - 1e-9))
        self.count = 0
        self._signatures = np.empty((1 << 10, VALUES), np.uint8)
        self._make_table(1 << 13)

    def find_or_add(self, values: np.ndarray) -> int | None:
        """The number of the most similar story (the first of equals) if it is similar enough; otherwise the story is added.

        Args:
            values: [VALUES], uint32.
        """
        signature = values.astype(np.uint8)
        buckets, tags = (part[0] for part in self._places(signature[None]))
        found = self._tags[buckets]
        band, slot = (found == tags[:, None]).nonzero()
        if len(band):
            candidates = self._numbers[buckets[band], slot]
            agree = np.count_nonzero(self._signatures[candidates] == signature, axis=1)
            if (most := agree.max()) >= self._needed:
                return int(candidates[agree == most].min())
        if self.count == len(self._signatures):
            self._signatures.resize((self.count * 3 // 2, VALUES), refcheck=False)  # in place if the system can
        self._signatures[self.count] = signature
        self._put(buckets, tags, np.count_nonzero(found, axis=1), np.full(BANDS, self.count, np.uint32))
        self.count += 1
        if self.count * BANDS > FULLEST * len(self._tags):
            self._grow()
        return None

    def _make_table(self, buckets: int) -> None:
        self._tags = np.zeros((buckets, SLOTS), np.uint8)  # 0 is a free slot
        self._numbers = np.zeros((buckets, SLOTS), np.uint32)
        self._shift = np.uint64(64 - (buckets.bit_length() - 1))

    def _places(self, signatures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Buckets and tags, each [stories, BANDS], of signatures [stories, VALUES]."""
        keys = np.empty((len(signatures), BANDS, 8), np.uint8)
        keys[:, :, :ROWS] = signatures.reshape(-1, BANDS, ROWS)
        keys[:, :, ROWS] = np.arange(BANDS)
        hashes = keys.view("<u8")[:, :, 0] * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(32)
        hashes *= np.uint64(0xBF58476D1CE4E5B9)
        return hashes >> self._shift, np.maximum((hashes >> np.uint64(8)).astype(np.uint8), 1)

    def _put(self, buckets: np.ndarray, tags: np.ndarray, filled: np.ndarray, numbers: np.ndarray) -> None:
        slots = np.where(filled < SLOTS, filled, numbers % SLOTS)
        self._tags[buckets, slots], self._numbers[buckets, slots] = tags, numbers

    def _grow(self) -> None:
        self._make_table(2 * len(self._tags))
        for first in range(0, self.count, 4096):
            stories = self._signatures[first : min(first + 4096, self.count)]
            buckets, tags = (part.ravel() for part in self._places(stories))
            numbers = np.repeat(np.arange(first, first + len(stories), dtype=np.uint32), BANDS)
            order = np.argsort(buckets, kind="stable")
            buckets, tags, numbers = buckets[order], tags[order], numbers[order]
            # Several of these stories may fall into one bucket: each goes after those before it.
            places = np.arange(len(buckets))
            begins = np.maximum.accumulate(np.where(np.diff(buckets, prepend=buckets[:1] + 1) != 0, places, 0))
            filled = np.count_nonzero(self._tags[buckets], axis=1) + places - begins
            self._put(buckets, tags, filled, numbers)
