"""Near-copies of stories kept before: MinHash and locality-sensitive hashing in one streaming pass.

A story is the set of its pairs of neighbouring words, lower case, every name replaced
by one sign: a copy in which Tim has become
Tom is a copy. 256 MinHash values (Broder 1997; `rensa` makes them) estimate the Jaccard similarity of two sets. 125 of them
form 25 bands of 5: stories that agree in a band are candidates (Leskovec, Rajaraman & Ullman, chapter 3), and a candidate
whose estimate reaches the threshold is a twin. For the estimate only the lowest 8 bits of each value are kept (b-bit MinHash,
Li & König 2010), so a kept story takes half a kilobyte in all, a million of them 0.6 GB.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import numpy as np

from silly_llm.data.filters import Refusal, Story, StoryFilter
from silly_llm.errors import RecipeError
from silly_llm.registry import register

VALUES = 256
"""MinHash values of a story."""
BANDS, ROWS = 25, 5
LONGEST_CHAIN = 64
"""Stories with the same band that are looked at, the latest first; only phrases that hundreds of stories share have more."""
_WORD = re.compile(r"[^\W_]+")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")


@dataclass(frozen=True)
class NearDuplicatesConfig:
    """How alike is too alike."""

    threshold: float = 0.64
    """Estimated Jaccard similarity of shingles from which a story is a near-copy."""
    seed: int = 0
    """Of the hash functions."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise RecipeError(f"threshold: must be above 0 and at most 1, got {self.threshold}")


@register("story_filter", "near_duplicates")
class NearDuplicatesFilter(StoryFilter):
    """Refuses near-copies of stories kept before, also with other names and sentences swapped; says whose."""

    remembers = True

    def __init__(self, config: NearDuplicatesConfig) -> None:
        self.config = config
        self.index = SimilarityIndex(config.threshold)
        self.ids: list[str] = []

    def refuse(self, story: Story) -> Refusal | None:
        values = signature(story["text"], self.config.seed)
        twin = self.index.find_or_add(values)
        if twin is not None:
            return Refusal("near-copy", self.ids[twin])
        self.ids.append(story["id"])
        return None


def signature(text: str, seed: int = 0) -> np.ndarray:
    """The MinHash values [VALUES], uint32, of a text."""
    from rensa import RMinHash

    sketch = RMinHash(num_perm=VALUES, seed=seed)
    sketch.update(shingles(text))
    return np.array(sketch.digest(), np.uint32)


def shingles(text: str) -> list[str]:
    """The pairs of neighbouring words of a text, names masked; a single word is a shingle itself."""
    names = set(_NAME.findall(text))
    words = ["@" if word in names else word.lower() for word in _WORD.findall(text)]
    if len(words) < 2:
        return words
    return [f"{a} {b}" for a, b in itertools.pairwise(words)]


class SimilarityIndex:
    """Signatures of kept stories, numbered as they come, and which of them are alike.

    Bands are in an open hash table of the latest entry by hash; older entries with the same hash follow as a chain.

    Args:
        threshold: estimated Jaccard similarity of twins.
    """

    def __init__(self, threshold: float) -> None:
        # Two values agree in 8 bits by chance once in 256: J = (share - 1/256) / (1 - 1/256).
        self._needed = int(np.ceil((threshold * (1 - 1 / 256) + 1 / 256) * VALUES - 1e-9))
        draw = np.random.default_rng(0)
        self._mix = draw.integers(1, 2**63, (1, ROWS), np.uint64) | np.uint64(1)
        self._salt = draw.integers(0, 2**63, BANDS, np.uint64)
        self.count = 0
        self._low = np.empty((1 << 10, VALUES), np.uint8)
        self._hashes = np.empty((1 << 10) * BANDS, np.uint32)
        self._next = np.empty((1 << 10) * BANDS, np.uint32)
        self._heads = np.zeros(1 << 16, np.uint32)
        """Number of an entry plus one; 0 is free."""
        self._used = 0

    def find_or_add(self, values: np.ndarray) -> int | None:
        """The number of the kept story that is most like this one, if it is a twin; else the story is kept.

        Args:
            values: [VALUES], uint32.
        """
        hashes = self._band_hashes(values)
        slots = self._slots_of(hashes)
        heads = self._heads[slots]
        low = values.astype(np.uint8)
        twin = self._most_alike(heads, low)
        if twin is None:
            self._add(hashes, slots, heads, low)
        return twin

    def _band_hashes(self, values: np.ndarray) -> np.ndarray:
        bands = values[: BANDS * ROWS].reshape(BANDS, ROWS).astype(np.uint64)
        mixed = (bands * self._mix).sum(axis=1, dtype=np.uint64) + self._salt
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        return (mixed >> np.uint64(32)).astype(np.uint32)

    def _first_slots(self, hashes: np.ndarray, size: int) -> np.ndarray:
        # Fibonacci hashing (Knuth, volume 3, section 6.4): neighbours in value are far apart in the table.
        shift = np.uint32(32 - (size.bit_length() - 1))
        return ((hashes * np.uint32(2654435769)) >> shift).astype(np.int64)

    def _slots_of(self, hashes: np.ndarray) -> np.ndarray:
        """For each hash its slot, or the free one where it belongs."""
        slots = self._first_slots(hashes, len(self._heads))
        while True:
            heads = self._heads[slots]
            other = heads > 0
            other[other] = self._hashes[heads[other] - 1] != hashes[other]
            if not other.any():
                return slots
            slots[other] = (slots[other] + 1) & (len(self._heads) - 1)

    def _most_alike(self, heads: np.ndarray, low: np.ndarray) -> int | None:
        chain = heads[heads > 0]
        if not len(chain):
            return None
        found = []
        for _ in range(LONGEST_CHAIN):
            chain = chain - 1
            found.append(chain)
            chain = self._next[chain]
            chain = chain[chain > 0]
            if not len(chain):
                break
        candidates = np.unique(np.concatenate(found) // BANDS)
        agree = (self._low[candidates] == low).sum(axis=1)
        best = int(agree.argmax())
        return int(candidates[best]) if agree[best] >= self._needed else None

    def _add(self, hashes: np.ndarray, slots: np.ndarray, heads: np.ndarray, low: np.ndarray) -> None:
        if self.count == len(self._low):
            size = self.count * 3 // 2
            self._low.resize((size, VALUES), refcheck=False)  # in place where the system can, without a copy
            self._hashes.resize(size * BANDS, refcheck=False)
            self._next.resize(size * BANDS, refcheck=False)
        entries = np.arange(self.count * BANDS, (self.count + 1) * BANDS, dtype=np.uint32)
        self._low[self.count] = low
        self._hashes[entries] = hashes
        self._next[entries] = heads
        self._heads[slots] = entries + np.uint32(1)
        self.count += 1
        self._used += int((heads == 0).sum())
        if self._used > 0.7 * len(self._heads):
            self._grow()

    def _grow(self) -> None:
        waiting = self._heads[self._heads > 0]
        self._heads = np.zeros(2 * len(self._heads), np.uint32)
        slots = self._first_slots(self._hashes[waiting - 1], len(self._heads))
        while len(waiting):
            free = self._heads[slots] == 0
            self._heads[slots[free]] = waiting[free]  # of several that want one slot the last gets it
            left = self._heads[slots] != waiting
            waiting, slots = waiting[left], (slots[left] + 1) & (len(self._heads) - 1)
