import json
import math

import numpy as np
import pytest
from locations import SHARED

from silly_llm.core.folders.provenance import fingerprint
from silly_llm.evaluation.comparing.paired import common, holm, paired, sign_flips, welch
from silly_llm.evaluation.metrics.statistics import ALPHA, Units, estimate
from silly_llm.evaluation.report.scores import published

MODEL, TEXTS = SHARED / "models" / "stories260K", SHARED / "data" / "tinystories" / "validation.jsonl"
SIZES = np.random.default_rng(0).integers(300, 1500, 350)
HARD = np.random.default_rng(1).normal(0.95, 0.2, 350)
"""Bits per byte of documents; two models agree on which are hard far more than they differ."""


def units(bits, sizes=SIZES, **values):
    bits, sizes = (np.asarray(x, float).tolist() for x in (bits, sizes))
    return Units([f"unit {i}" for i in range(len(bits))], bits, sizes, **values)


def noisy(seed, spread=0.002, cost=0.0):
    noise = np.random.default_rng([2, seed]).normal(cost, spread, len(SIZES))
    return units((HARD + noise) * SIZES)


def test_a_pair_finds_what_intervals_that_overlap_hide():
    a, b = noisy(1), noisy(2, cost=0.0017)
    found, alone = paired(a, b), estimate(a)
    assert found.low < -0.0017 < found.high < 0 and found.p < 1e-4 and found.high - found.low < 0.0008
    assert alone.high - alone.low > 19 * (found.high - found.low)
    assert estimate(b).low < alone.value < estimate(b).high  # by overlap, nothing
    assert found.n == 350 and 0 < found.detectable() < 0.0017 and found.detectable(20) > found.detectable()


def test_a_model_does_not_differ_from_itself():
    same = paired(noisy(1), noisy(1))
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1) and same.detectable() is None
    other_batch = units(np.asarray(noisy(1).numerators) * (1 + 4e-7))
    assert paired(noisy(1), other_batch).p == 1


def test_models_that_are_equally_good_are_rarely_called_different():
    found = [paired(noisy(2 * seed), noisy(2 * seed + 1)) for seed in range(200)]
    assert sum(d.p < ALPHA for d in found) <= 10
    assert 2 <= sum(d.p < 0.05 for d in found) <= 18  # what 0.05 means


def test_the_smallest_difference_that_can_be_shown_is_shown_four_times_in_five():
    size = paired(noisy(0), noisy(1)).detectable()
    found = [paired(noisy(2 * seed), noisy(2 * seed + 1, cost=size)).p < ALPHA for seed in range(100)]
    assert 0.68 <= np.mean(found) <= 0.92


def test_completions_of_one_prompt_count_as_one():
    rng = np.random.default_rng(3)
    prompts = np.repeat(rng.normal(0, 1, 20), 10)
    a, b = (prompts + rng.normal(0, 0.1, 200), rng.normal(0, 0.1, 200))
    ones, clusters = np.ones(200), [str(i // 10) for i in range(200)]
    clustered = paired(units(a, ones, clusters=clusters), units(b, ones, clusters=clusters))
    apart = paired(units(a, ones), units(b, ones))
    assert clustered.n == 20 and apart.n == 200 and clustered.error > 2.5 * apart.error


def test_only_the_same_bytes_of_the_same_documents_are_compared():
    a = Units(["x", "y", "z", "w"], [9.0, 8, 7, 5], [10, 10, 10, 10])
    b = Units(["z", "x", "y", "v"], [7.0, 9, 1, 1], [10, 10, 4, 10])
    (left, right), out = common([a, b], equal=True)
    assert left.ids == right.ids == ["x", "z"] and left.numerators == right.numerators == [9, 7] and out == 3
    assert paired(a, b, equal=True).value == 0 and paired(a, b).value != 0
    assert paired(a, Units(["x"], [9.0], [3]), equal=True) is None


def test_sign_flips_are_exact_where_they_can_be_and_resolve_more_where_they_must():
    assert sign_flips(np.array([1.0, 1, 1, 1, 1])) == 2 / 2**5
    assert sign_flips(np.array([3.0, -1, 1, 0, 0])) == 6 / 2**3  # ±3 ±1 ±1: six of eight reach 3
    assert sign_flips(np.array([])) == 1
    strong = np.random.default_rng(0).normal(1, 0.1, 100)
    assert sign_flips(strong) < 1e-20 and 0.2 < sign_flips(np.random.default_rng(0).normal(0, 1, 100)) <= 1


def test_holm_corrects_for_the_number_of_tests():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06]) and holm([]) == []


def test_seeds_tell_recipes_apart():
    """The spread is that of three seeds of `speedrun-cpu.yaml`, 0.768 ± 0.010: a standard deviation of 0.004."""
    rng = np.random.default_rng(0)
    same = [welch(*rng.normal(0.768, 0.004, (2, 3))).p < ALPHA for _ in range(200)]
    assert np.mean(same) <= 0.03
    better = welch(rng.normal(0.728, 0.004, 3), rng.normal(0.768, 0.004, 3))
    assert better.p < ALPHA and better.high < 0 and better.n == 3
    assert welch([1.0, 1.0], [0.9, 0.9]).p == 1  # seeds that do not vary are no seeds


@pytest.mark.skipif(not TEXTS.exists(), reason="no ../shared with stories260K and real stories")
def test_weight_noise_on_a_real_model_is_found():
    import torch

    from silly_llm.evaluation.models.causal import LanguageModel

    texts = [json.loads(line)["text"] for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    ids, found = [str(i) for i in range(len(texts))], []
    for noise in (0.0, 0.01):
        model, generator = LanguageModel.load(str(MODEL), name="m", device="cpu"), torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in model.model.parameters():
                weight += noise * weight.std() * torch.randn(weight.shape, generator=generator)
        scores = list(model.score(texts, "sliding"))
        found.append(Units(ids, [s.nats / math.log(2) for s in scores], [s.bytes for s in scores]))
    difference, alone = paired(found[1], found[0], equal=True), estimate(found[0])
    (point,) = published({"settings": {"window": "sliding"}, "dataset": {"texts": fingerprint(sorted(texts))[:16]}})
    assert alone.value == pytest.approx(point["bits_per_byte"], abs=5e-4)
    assert len(texts) == 350 and 0.0012 < difference.value < 0.0021
    assert difference.p < 1e-6 and difference.low > 0 and (difference.high - difference.low) / 2 <= 0.0004
    assert (alone.high - alone.low) / (difference.high - difference.low) > 19
