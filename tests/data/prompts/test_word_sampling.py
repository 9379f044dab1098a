"""Words: even, and no combination twice before all were used."""

from collections import Counter
from itertools import pairwise, product

import pytest

from silly_llm.data.prompts.sampling import WordSampler


def sampler(*sizes: int, seed: int = 0) -> WordSampler:
    return WordSampler({f"s{k}": [f"{k}.{i}" for i in range(size)] for k, size in enumerate(sizes)}, seed)


@pytest.mark.parametrize(
    "sizes", [(5, 3, 4), (6, 4, 2), (4, 6, 9), (1, 1, 1), (1, 5, 2), (7, 1, 3), (3, 3, 3), (10, 4), (6,), (2, 3, 2, 4)]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_combination_comes_twice_before_all_were_used(sizes, seed):
    draw = sampler(*sizes, seed=seed)
    every = set(product(*([f"{k}.{i}" for i in range(size)] for k, size in enumerate(sizes))))
    for begin in (0, len(every), 7 * len(every)):
        drawn = [tuple(draw(begin + i).values()) for i in range(len(every))]
        assert set(drawn) == every


def test_every_word_comes_as_often_as_any_other_in_every_prefix():
    sizes = (60, 20, 15)
    draw = sampler(*sizes)
    stories = [tuple(draw(index).values()) for index in range(6_000)]
    for count in (60, 600, 6_000):
        nouns, verbs, adjectives = (Counter(words).values() for words in zip(*stories[:count], strict=True))
        assert (len(nouns), len(verbs), len(adjectives)) == sizes
        assert max(nouns) == min(nouns) and max(verbs) == min(verbs)
        assert max(adjectives) - min(adjectives) <= 6 * (count / 15) ** 0.5


def test_pairs_are_not_regular():
    sizes = (60, 20, 15)
    draw = sampler(*sizes)
    stories = [tuple(draw(index).values()) for index in range(3_000)]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        partners, pairs = Counter((story[a], story[b]) for story in stories), sizes[a] * sizes[b]
        assert len(partners) > 0.6 * pairs and max(partners.values()) < 8 * 3_000 / pairs + 5
    shared = [sum(x == y for x, y in zip(one, other, strict=True)) for one, other in pairwise(stories)]
    assert sum(shared) / len(shared) < 0.25


def test_seed_and_index_alone_decide():
    lists = (750, 375, 375)
    far = [sampler(*lists)(900_000 + i) for i in range(3)]
    again = sampler(*lists)
    assert [again(900_000 + i) for i in reversed(range(3))] == far[::-1]
    assert sampler(*lists, seed=1)(900_000) != far[0]
