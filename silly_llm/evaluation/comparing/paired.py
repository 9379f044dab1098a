"""Whether two models differ: paired on the units that both were measured on, or by the seeds of their recipes.

Two questions, never mixed. *Are these checkpoints different on this kind of text?* Both read the same documents and were asked the
same, so the difference has a far smaller error than either number (Miller, arXiv 2411.00640); its units are documents and requests.
*Are these recipes different?* Two seeds of one recipe already differ as checkpoints, so that only several seeds a side tell; the units
are seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from silly_llm.evaluation.metrics.statistics import ALPHA, FEW, Units, around, pseudo_values, skewness

POWER = 0.8
"""How often a difference of the size of `Difference.detectable` is found."""
FLIPS = 9_999
"""Random sign flips of a test; with up to 13 clusters that differ, all 2ⁿ are looked at instead."""
ROUNDING = 2e-6
"""Numbers of a unit that differ by less, relatively, are equal: so much the same weights differ in another batch."""


@dataclass(frozen=True)
class Difference:
    """The difference of two models or recipes, with its 95 % interval."""

    value: float
    low: float
    high: float
    p: float
    """Of the hypothesis that there is none, two-sided."""
    n: int
    """Independent units: clusters, or seeds of the smaller side."""
    error: float
    """Standard error."""
    freedom: float
    left_out: int = 0
    """Units that only one of them has, or of which they scored different bytes."""
    seeds: bool = False
    """Whether its units are seeds, of which even two or three say something."""

    @property
    def few(self) -> bool:
        """Whether it was measured on too little to say anything."""
        return self.n < FEW and not self.seeds

    def detectable(self, tests: int = 1) -> float | None:
        """The smallest true difference that would have been found in 80 % of such comparisons, as one of so many tests (Bonferroni's
        bound on Holm's correction); `None` where the units do not vary, and so say nothing about it."""
        from scipy.stats import t

        reach = t.ppf(1 - ALPHA / 2 / tests, self.freedom) + t.ppf(POWER, self.freedom)
        return float(reach * self.error) or None


def common(all_units: Sequence[Units], *, equal: bool = False) -> tuple[list[Units], int]:
    """What several models were measured on alike: the units that all of them have, in one order and with the clusters of the first.

    Args:
        equal: Only units with the same denominator for all, such as documents of which the same bytes were scored.

    Returns:
        The units of each, and how many units that some model has were left out.
    """
    rows = [{name: row for row, name in enumerate(units.ids)} for units in all_units]
    bottoms = [units.denominators or [1.0] * len(units) for units in all_units]

    def alike(name: str) -> bool:
        first, *others = (bottom[row[name]] for row, bottom in zip(rows, bottoms, strict=True))
        return not equal or all(other == first for other in others)

    names = [n for n in all_units[0].ids if all(n in row for row in rows) and alike(n)]
    first = all_units[0]
    clusters = [first.clusters[rows[0][name]] for name in names] if first.clusters else ()
    made = []
    for units, row in zip(all_units, rows, strict=True):
        numerators, denominators, lost = (
            [column[row[name]] for name in names] if column else ()
            for column in (units.numerators, units.denominators, units.lost)
        )
        made.append(Units(names, numerators, denominators, clusters, lost))
    return made, len(set().union(*rows)) - len(names)


def paired(a: Units, b: Units, *, equal: bool = False) -> Difference | None:
    """The difference a - b of a metric on the units that both have; `None` where those are fewer than two clusters, or hold no number.

    The interval is that of `estimate`, on the jackknife's pseudo-values of the difference over clusters; the p-value by flipping, for whole
    clusters at once, which model is which (`sign_flips`). Models whose numbers are all the same have p = 1.

    Args:
        equal: Only units with equal denominators count.
    """
    (a, b), left_out = common([a, b], equal=equal)
    same = np.isclose(a.numerators, b.numerators, rtol=ROUNDING, atol=0)
    b = replace(b, numerators=np.where(same, a.numerators, b.numerators).tolist())
    (_, x), (_, y) = a.sums(), b.sums()
    (top, bottom, _), (other, under, _) = x.sum(0), y.sum(0)
    if len(x) < 2 or not bottom or not under or not math.isfinite(top + other):
        return None
    count, value = len(x), float(top / bottom - other / under)
    single = pseudo_values(x) - pseudo_values(y)
    if a.lost:
        shares = (single - single.mean() + value) / count
    else:  # what each cluster adds to the difference, were both models as good as they are together
        level = (top + other) / (bottom + under)
        shares = (x[:, 0] - level * x[:, 1]) / bottom - (y[:, 0] - level * y[:, 1]) / under
    error = float(single.std(ddof=1) / math.sqrt(count))
    low, high = around(value, error, count, skewness(single))
    return Difference(value, low, high, sign_flips(shares), count, error, count - 1, left_out)


def sign_flips(shares: np.ndarray) -> float:
    """The p-value of a sum by a permutation test over the signs of its parts: how often the sum of flipped ones is as far from zero.

    Beyond what so many flips can resolve, Student's t, which corrections for many tests need.
    """
    from scipy.stats import t

    parts = shares[np.abs(shares) > 1e-12 * np.abs(shares).max(initial=0)]
    count, reached = len(parts), abs(parts.sum()) * (1 - 1e-9)
    if 2**count <= FLIPS:
        every = np.array(list(itertools.product((-1, 1), repeat=count)))
        return float((np.abs(every @ parts) >= reached).mean())
    rng, block = np.random.default_rng(0), max(1, 2**22 // count)
    sizes = [min(block, FLIPS - done) for done in range(0, FLIPS, block)]
    flipped = (rng.integers(0, 2, (size, count), dtype=np.int8) * 2.0 - 1 for size in sizes)
    beyond = sum(int((np.abs(signs @ parts) >= reached).sum()) for signs in flipped)
    p = (1 + beyond) / (1 + FLIPS)
    if beyond:
        return p
    score = shares.mean() / shares.std(ddof=1) * math.sqrt(len(shares))
    return min(p, float(2 * t.sf(abs(score), len(shares) - 1)))


def welch(a: Sequence[float], b: Sequence[float]) -> Difference:
    """The difference a - b of two recipes' means by Welch's t-test (1947); one number a seed, at least two a side."""
    from scipy.stats import ttest_ind

    value, n = float(np.mean(a) - np.mean(b)), min(len(a), len(b))
    error = math.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))
    if error <= 1e-12 * max(map(abs, [*a, *b])):  # seeds that change nothing say nothing about others
        return Difference(value, value, value, 1.0, n, 0.0, 1.0, seeds=True)
    found = ttest_ind(a, b, equal_var=False)
    low, high = found.confidence_interval(0.95)
    return Difference(value, float(low), float(high), float(found.pvalue), n, error, float(found.df), seeds=True)


def holm(ps: Sequence[float]) -> list[float]:
    """P-values of a family of tests, corrected so that of families without a difference only a share of α has one below α (Holm, 1979)."""
    order = np.argsort(ps, kind="stable")
    corrected = np.maximum.accumulate(np.asarray(ps)[order] * np.arange(len(ps), 0, -1))
    made = np.empty(len(ps))
    made[order] = np.minimum(1.0, corrected)
    return made.tolist()
