import math
import random

import pytest

from silly_llm.evaluation.metrics.statistics import clustered_share, distinct, mean_over_seeds, openings, ratio, share


def test_bootstrap_is_seeded_and_narrows_with_more_units():
    rng = random.Random(0)
    nats, sizes = [rng.gauss(100, 20) for _ in range(800)], [rng.randint(50, 150) for _ in range(800)]
    few, many = ratio(nats[:50], sizes[:50], seed=1), ratio(nats, sizes, seed=1)
    assert few == ratio(nats[:50], sizes[:50], seed=1)
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    assert ratio([3.0], [2.0]).low is None  # one unit has no interval


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    rng, hits = random.Random(3), 0
    for trial in range(100):
        sizes = [rng.randint(1, 100) for _ in range(60)]
        metric = ratio([2.0 * s + rng.gauss(0, 20) for s in sizes], sizes, seed=trial)
        hits += metric.low <= 2.0 <= metric.high
    assert 88 <= hits <= 100


def test_shares_that_are_all_or_nothing_still_have_an_interval():
    everything, nothing = clustered_share([3] * 50, [3] * 50), clustered_share([0] * 50, [3] * 50)
    assert everything.value == everything.high == 1 and 0.9 < everything.low < 1
    assert nothing.value == nothing.low == 0 and 0 < nothing.high < 0.1
    assert clustered_share([], []).n == 0 and math.isnan(share(0, 0).value)  # nothing asked is nothing measured


def test_words_of_one_story_are_not_independent_trials():
    clustered, independent = clustered_share([0, 3] * 30, [3, 3] * 30), share(90, 180)
    assert (independent.low, independent.high) == pytest.approx((0.4277, 0.5723), abs=1e-4)  # Wilson's
    assert clustered.high - clustered.low > 1.4 * (independent.high - independent.low)


def test_distinct_counts_ngrams_over_all_stories():
    stories = [["a", "b", "c"], ["a", "b", "d"]]
    assert distinct(stories, 1).value == pytest.approx(4 / 6)
    assert distinct(stories, 2).value == pytest.approx(3 / 4)
    assert distinct(stories, 4).n == 0
    metric = distinct([[str(random.Random(i * 100 + j).randint(0, 50)) for j in range(30)] for i in range(40)], 2)
    assert metric.low < metric.value < metric.high <= 1


def test_openings_say_how_many_stories_begin_alike():
    metric = openings([["once", "upon", "a", "time", "there"]] * 3 + [["one", "day", "a", "big", "dog"], ["short"]])
    assert metric.value == 0.75 and metric.n == 4
    assert metric.details["most_common"][0] == {"words": "once upon a time there", "share": 0.75}


def test_the_interval_over_seeds_is_students():
    metric = mean_over_seeds([0.9, 0.95, 1.0])
    half = 4.302653 * 0.05 / math.sqrt(3)  # t(0.975, 2)
    assert (metric.low, metric.high) == pytest.approx((0.95 - half, 0.95 + half)) and metric.n == 3
    assert mean_over_seeds([0.9]).high is None and math.isnan(mean_over_seeds([]).value)
