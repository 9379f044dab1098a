"""Words for story number `index`, from (seed, index) alone: every word equally often, no combination twice.

Slots (noun, verb, adjective …) have n_0, n_1, n_2 … words. Let E_0 = index // n_0 and E_k = E_(k-1) // n_k. Slot 0 goes through a
permutation of its words that E_0 selects. Slot k takes word number (c + E_(k-1)) mod n_k of a permutation, where c is a sum of
one balanced number for each word chosen in the slots before; permutation and numbers depend on E_k alone.

While E_k stays the same, every combination of the first k+1 words comes exactly once: for k = 0 it is one permutation; and a
combination of k words comes once for each of the n_k values of E_(k-1), each time with another word of slot k. So
no combination repeats before all n_0 · n_1 · n_2 … have been used; slot 0 is even over every n_0 stories, slot 1 too (up to
rounding), later slots nearly so and exactly in the long run.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping, Sequence


class WordSampler:
    """Draws one word for each slot.

    Args:
            words: the words of each slot, in the order in which slots are filled; none empty.
            seed: changes the order of everything.
    """

    def __init__(self, words: Mapping[str, Sequence[str]], seed: int) -> None:
        self.words = {slot: tuple(of_slot) for slot, of_slot in words.items()}
        self.sizes = [len(of_slot) for of_slot in self.words.values()]
        self.seed = seed
        self._permutation = functools.lru_cache(maxsize=64)(self._permute)  # a stream of stories needs only a few

    def __call__(self, index: int) -> dict[str, str]:
        """The words of story `index`, by slot."""
        numbers: list[int] = []
        epoch = index
        for k, size in enumerate(self.sizes):
            epoch, place = divmod(epoch, size)
            for j, number in enumerate(numbers):
                # Balanced: a permutation of the earlier slot's words, taken modulo this slot's size.
                place += self._permutation(self.sizes[j], (k, j, epoch))[number]
            numbers.append(self._permutation(size, (k, epoch))[place % size])
        return {slot: words[number] for (slot, words), number in zip(self.words.items(), numbers, strict=True)}

    def _permute(self, size: int, name: tuple[int, ...]) -> list[int]:
        order = list(range(size))
        random.Random(f"{self.seed}:{size}:{name}").shuffle(order)
        return order
