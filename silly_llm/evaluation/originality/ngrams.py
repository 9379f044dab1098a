"""What some texts share with a training set that streams by once: exact, by products of sparse matrices.

Words are those of `lower_words`. An n-gram is a 64-bit hash, so two different ones count as one with a probability of about 1e-7
in a training set of 100,000 stories. What is kept grows with the texts, not with the training set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from scipy.sparse import csr_matrix

from silly_llm.asking.engine import batches
from silly_llm.data.filters.decontamination import word_hash
from silly_llm.text.words import lower_words

BASE = 0x9E3779B97F4A7C15
BLOCK = 1000
"""Training stories held in memory."""
RUNS = (8, 4, 2, 1)
"""Words at which a common run is noticed; of texts with longer ones only the first of these is looked for."""


class Words:
    """The words of some texts as 64-bit hashes, from which that of any n-gram takes the same time.

    Polynomial hashing modulo 2^64 (Karp & Rabin, 1987) by prefix sums; the hashes of words are random, so neither the modulus nor
    the base need to be.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        words = [lower_words(text) for text in texts]
        self.count, sizes = len(words), np.fromiter(map(len, words), np.int64, len(words))
        self.each = np.fromiter(map(word_hash, chain.from_iterable(words)), np.int64, sizes.sum()).view(np.uint64)
        self.text = np.repeat(np.arange(len(words)), sizes)
        """Number of the text of each word, int64 [words]."""
        self.ends = np.cumsum(sizes)[self.text]
        """Where the text of each word ends, int64 [words]."""
        powers = [np.full(len(self.each), base, np.uint64).cumprod() for base in (BASE, pow(BASE, -1, 2**64))]
        self._sums, self._inverse = np.zeros(len(self.each) + 1, np.uint64), powers[1]
        np.cumsum(self.each * powers[0], out=self._sums[1:])

    def ngrams(self, n: int, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Where each run of `n` words within one text begins, int64 [n-grams], and its hash, uint64 [n-grams].

        Args:
            among: Look only at runs that begin here; default: everywhere.
        """
        starts = np.arange(len(self.each)) if among is None else among
        starts = starts[starts + n <= self.ends[starts]]
        return starts, (self._sums[starts + n] - self._sums[starts]) * self._inverse[starts]


class Ngrams:
    """The different n-grams of some texts."""

    def __init__(self, words: Words, n: int) -> None:
        from pandas import Index

        self.n = n
        self.known = Index(np.unique(words.ngrams(n)[1]))
        self.inside = present(self.of(words)[0])
        """Which text has which, 0 or 1: sparse int32 [texts, n-grams]."""
        self.sizes = np.diff(self.inside.indptr)
        """Different n-grams of each text, int32 [texts]."""

    def of(self, words: Words, among: np.ndarray | None = None) -> tuple[csr_matrix, np.ndarray]:
        """How often they stand in other texts, sparse int32 [texts, n-grams], and where, int64 [places].

        Args:
            among: Look only here: at the places of shorter ones, say, where a longer one has to begin.
        """
        starts, hashes = words.ngrams(self.n, among)
        found = self.known.get_indexer(hashes)
        starts, found = starts[found >= 0], found[found >= 0]
        ones, shape = np.ones(len(found), np.int32), (words.count, len(self.known))
        return csr_matrix((ones, (words.text[starts], found)), shape=shape), starts

    def share(self, counts: np.ndarray) -> np.ndarray:
        """Of each text's n-grams how many have a count, float64 [texts]; counts are [n-grams]."""
        return self.inside @ (counts > 0).astype(float)


class Closest:
    """For each text its closest training story: the one that has most of its different n-grams.

    `shared / grams.sizes` is the greatest ROUGE-n precision over the training set, n-grams counted by indicator.
    """

    def __init__(self, grams: Ngrams) -> None:
        self.grams = grams
        self.shared = np.zeros(grams.inside.shape[0], np.int64)
        """N-grams that the closest story has, int64 [texts]."""
        self.stories: list[str | None] = [None] * len(self.shared)
        """The closest stories, of equals the first; `None` where no story has any."""

    def see(self, stories: Sequence[str], found: csr_matrix) -> None:
        """Training stories, and `grams.of` them."""
        common = (self.grams.inside @ present(found).T.tocsr()).tocsr()
        some = np.flatnonzero(np.diff(common.indptr))
        if not len(some):
            return
        most = np.maximum.reduceat(common.data, common.indptr[some])
        better = most > self.shared[some]
        for text, count in zip(some[better], most[better], strict=True):
            row = slice(common.indptr[text], common.indptr[text + 1])
            self.stories[text] = stories[common.indices[row][common.data[row] == count].min()]
            self.shared[text] = count


class LongestRun:
    """The length in words of the longest run that each text has in common with any training story."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.longest = np.zeros(words.count, np.int64)
        """int64 [texts]."""
        self._sorted = {n: self._order(n) for n in RUNS}

    def _order(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        starts, hashes = self.words.ngrams(n)
        order = np.argsort(hashes, kind="stable")
        return starts[order], hashes[order]

    def see(self, block: Words) -> None:
        """Words of training stories."""
        for n, longer in zip(RUNS, (None, *RUNS), strict=False):
            starts, hashes = self._sorted[n]
            if longer:  # those that have a longer one cannot gain
                needy = self.longest[self.words.text[starts]] < longer
                starts, hashes = starts[needy], hashes[needy]
            if len(starts):
                self._extend(block, n, starts, hashes)

    def _extend(self, block: Words, n: int, starts: np.ndarray, hashes: np.ndarray) -> None:
        """Follow every pair of equal n-grams, of a text and of a story, as far as their words agree."""
        from pandas import Index

        known, first, counts = np.unique(hashes, return_index=True, return_counts=True)
        theirs, wanted = block.ngrams(n)
        found = Index(known).get_indexer(wanted)
        theirs, found = theirs[found >= 0], found[found >= 0]
        times = counts[found]
        steps = np.arange(times.sum()) - np.repeat(times.cumsum() - times, times)
        ours, theirs = starts[np.repeat(first[found], times) + steps], np.repeat(theirs, times)
        # One pair a run: the first, before which the words differ or a text begins
        words, before, behind = self.words, np.maximum(ours - 1, 0), np.maximum(theirs - 1, 0)
        inner = (ours > 0) & (theirs > 0) & (words.text[before] == words.text[ours])
        inner &= (block.text[behind] == block.text[theirs]) & (words.each[before] == block.each[behind])
        ours, theirs, length = ours[~inner], theirs[~inner], n
        while len(ours):
            np.maximum.at(self.longest, words.text[ours], length)
            room = (ours + length < words.ends[ours]) & (theirs + length < block.ends[theirs])
            ours, theirs = ours[room], theirs[room]
            same = words.each[ours + length] == block.each[theirs + length]
            ours, theirs, length = ours[same], theirs[same], length + 1


def present(counts: csr_matrix) -> csr_matrix:
    """1 for every count above 0."""
    return csr_matrix((np.ones_like(counts.data), counts.indices, counts.indptr), shape=counts.shape)


def most_similar(grams: Ngrams) -> np.ndarray:
    """The greatest ROUGE-n F measure of each text with any other, float64 [texts]; 0 for one without n-grams.

    F is the harmonic mean of both precisions: 2 |A ∩ B| / (|A| + |B|).
    """
    common = (grams.inside @ grams.inside.T).toarray().astype(float)
    np.fill_diagonal(common, 0.0)
    sizes = grams.sizes[:, None] + grams.sizes[None, :]
    return (2 * common / np.maximum(sizes, 1)).max(axis=1, initial=0.0)


class Search:
    """All that is asked of a training set about some texts, in one pass.

    Args:
        kgrams: Lengths of n-grams to count.
    """

    def __init__(self, texts: Sequence[str], stories: Iterator[str], kgrams: Sequence[int] = (2,)) -> None:
        words = Words(texts)
        self.grams = {k: Ngrams(words, k) for k in sorted({2, *kgrams})}
        self.counts = {k: np.zeros(len(grams.known), np.int64) for k, grams in self.grams.items()}
        """How often each n-gram of the texts stands in the training set, int64 [n-grams], by length."""
        self.closest, runs = Closest(self.grams[2]), LongestRun(words)
        self.longest, self.stories = runs.longest, 0
        for block in batches(stories, BLOCK):
            self.stories += len(block)
            theirs, places = Words(block), None
            runs.see(theirs)
            for k, grams in self.grams.items():
                found, places = grams.of(theirs, places)
                self.counts[k] += np.asarray(found.sum(axis=0)).ravel()
                if k == 2:
                    self.closest.see(block, found)
