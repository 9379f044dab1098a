import math
import random
from itertools import pairwise

import numpy as np
import pytest

from silly_llm.evaluation.metrics.statistics import (
    Units,
    around,
    distinct,
    estimate,
    mean_over_seeds,
    openings,
    standard_error,
)


def units(numerators, denominators=(), **values):
    return Units([f"unit {n}" for n in range(len(numerators))], numerators, denominators, **values)


def test_an_interval_narrows_with_more_units():
    rng = random.Random(0)
    nats, sizes = [rng.gauss(100, 20) for _ in range(800)], [rng.randint(50, 150) for _ in range(800)]
    few, many = estimate(units(nats[:50], sizes[:50])), estimate(units(nats, sizes))
    assert few.value == pytest.approx(sum(nats[:50]) / sum(sizes[:50])) and few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    assert estimate(units([3.0], [2.0])).low is None  # one unit has no interval


@pytest.mark.parametrize("n", [10, 20, 60])
def test_an_interval_covers_the_truth_about_as_often_as_it_says(n):
    rng, hits = np.random.default_rng(3), 0
    for _ in range(400):
        sizes = rng.integers(200, 1500, n)
        metric = estimate(units(list(2.0 * sizes + rng.normal(0, 0.2, n) * sizes), list(sizes)))
        hits += metric.low <= 2.0 <= metric.high
    assert 0.925 <= hits / 400 <= 0.98


def test_an_interval_of_few_skewed_numbers_reaches_far_enough():
    rng, hits, by_student = np.random.default_rng(6), 0, 0
    for _ in range(1000):
        found = units(rng.exponential(1.0, 10).tolist())
        metric = estimate(found)
        low, high = around(metric.value, standard_error(found.sums()[1]), 10)
        hits, by_student = hits + (metric.low <= 1 <= metric.high), by_student + (low <= 1 <= high)
    assert hits / 1000 >= 0.93 > by_student / 1000
    assert estimate(units([1.0] * 9)).as_json()["few"] and "few" not in estimate(units([1.0] * 10)).as_json()


@pytest.mark.parametrize("share", [0.7, 0.95])
def test_wilsons_interval_of_clusters_covers_the_truth(share):
    rng, hits = np.random.default_rng(4), 0
    for _ in range(400):
        p = np.repeat(rng.beta(10 * share, 10 * (1 - share), 15), 4)
        right = (rng.random(60) < p).astype(float)
        metric = estimate(units(list(right), clusters=[str(i // 4) for i in range(60)]), share=True)
        assert metric.n == 15 and 0 <= metric.low <= metric.value <= metric.high <= 1
        hits += metric.low <= share <= metric.high
    assert hits / 400 >= 0.93


def test_shares_that_are_all_or_nothing_still_have_an_interval():
    everything, nothing = (estimate(units([found] * 50, [3] * 50), share=True) for found in (3, 0))
    assert everything.value == everything.high == 1 and 0.9 < everything.low < 1
    assert nothing.value == nothing.low == 0 and 0 < nothing.high < 0.1
    assert math.isnan(estimate(units([]), share=True).value)  # nothing asked is nothing measured


def test_words_of_one_story_are_not_independent_trials():
    clustered = estimate(units([0, 3] * 30, [3, 3] * 30), share=True)
    independent = estimate(units([0, 1] * 90), share=True)
    assert (independent.low, independent.high) == pytest.approx((0.4277, 0.5723), abs=1e-3)  # Wilson's
    assert clustered.high - clustered.low > 1.4 * (independent.high - independent.low)


def test_distinct_counts_ngrams_over_all_stories():
    stories = [["a", "b", "c"], ["a", "b", "d"]]
    assert distinct("xy", stories, 1).value == pytest.approx(4 / 6)
    assert distinct("xy", stories, 2).value == pytest.approx(3 / 4)
    assert distinct("xy", stories, 4).n == 0
    many = [[str(random.Random(i * 100 + j).randint(0, 50)) for j in range(30)] for i in range(40)]
    metric = distinct([str(i) for i in range(40)], many, 2)
    assert metric.low < metric.value < metric.high <= 1
    without = [len({g for w in rest for g in pairwise(w)}) / (29 * 39) for rest in (many[1:], many[:-1])]
    _, sums = metric.units.sums()
    top, bottom, lost = sums.sum(0)[0], sums.sum(0)[1], metric.units.lost
    assert [(top - lost[i]) / (bottom - 29) for i in (0, -1)] == pytest.approx(without)


def test_openings_say_how_many_stories_begin_alike():
    stories = [["once", "upon", "a", "time", "there"]] * 3 + [["one", "day", "a", "big", "dog"], ["short"]]
    metric = openings("abcde", stories)
    assert metric.value == 0.75 and metric.n == 4
    assert metric.details["most_common"][0] == {"words": "once upon a time there", "share": 0.75}


def test_the_interval_over_seeds_is_students():
    metric = mean_over_seeds([0.9, 0.95, 1.0])
    half = 4.302653 * 0.05 / math.sqrt(3)  # t(0.975, 2)
    assert (metric.low, metric.high) == pytest.approx((0.95 - half, 0.95 + half)) and metric.n == 3
    assert mean_over_seeds([0.9]).high is None and math.isnan(mean_over_seeds([]).value)
