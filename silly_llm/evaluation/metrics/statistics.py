"""Estimates with their 95 % confidence intervals, from one pair of numbers a unit.

Nearly every number of an evaluation is a ratio of sums over units: bits over bytes of documents, words found over words
asked for of requests, right over all of minimal pairs. A `Metric` keeps those pairs (`Units`), which is what a paired
test between models needs. Intervals are Student's t on the delete-one jackknife over the independent clusters of units, corrected for
skewness by Hall's transformation (1992), of shares Wilson's with the effective number of units; both cover what they claim from about
ten clusters on (docs/lab-log.md), and need no random numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from silly_llm.text.words import join_words

FEW = 10
"""Fewer independent clusters than this give intervals that nobody should build on."""
ALPHA = 0.025
"""Below which p-value models are called different: so that of 200 comparisons of equals at most 10 do, which with 0.05 fails every other
time."""


@dataclass(frozen=True)
class Label:
    """How a report shows a metric, and which way is better."""

    name: str
    group: str = "Other metrics"
    note: str = ""
    """A few words below the name."""
    higher_is_better: bool | None = None
    """`None`: neither, and no model is best at it."""
    percent: bool = False
    """Shown as a percentage; the value lies in [0, 1]."""


@dataclass(frozen=True)
class Units:
    """What a ratio of sums was measured on: `sum(numerators) / sum(denominators)`.

    Args:
        ids: Names of the units; the same unit has the same name for every model.
        numerators: One number a unit, such as its bits.
        denominators: One number a unit, such as its bytes; default: 1 each, a mean.
        clusters: Which units are not independent of each other (completions of one prompt), by a common name;
            default: each unit by itself.
        lost: By how much the sum of numerators falls without the unit; default: its numerator. For measures of the whole,
            such as different n-grams, where it is less.
    """

    ids: Sequence[str]
    numerators: Sequence[float]
    denominators: Sequence[float] = ()
    clusters: Sequence[str] = ()
    lost: Sequence[float] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def sums(self) -> tuple[list[str], np.ndarray]:
        """Names of the clusters, in order, and a row (numerator, denominator, lost) for each; shape (clusters, 3)."""
        names, index = np.unique(np.asarray(self.clusters or self.ids, dtype=str), return_inverse=True)
        denominators = self.denominators or np.ones(len(self))
        columns = self.numerators, denominators, self.lost or self.numerators
        sums = [np.bincount(index, np.asarray(column, float), minlength=len(names)) for column in columns]
        return names.tolist(), np.stack(sums, axis=-1)


@dataclass(frozen=True)
class Metric:
    """A measured number and its 95 % interval."""

    value: float
    low: float | None = None
    """Lower end of the interval; `None` where no interval is known."""
    high: float | None = None
    n: int = 0
    """How many independent units (documents, stories) it was measured on."""
    details: dict[str, Any] = field(default_factory=dict)
    """Anything else worth keeping in `results.json` next to it, JSON-able."""
    label: Label | None = None
    """How a report shows it; default: its bare name, without a direction."""
    units: Units | None = field(default=None, repr=False, compare=False)
    """What it was computed from; without it, no test compares models by it."""

    def as_json(self) -> dict[str, Any]:
        """The four numbers of `results.json`, `few` where they are too few to say, and the label if there is one; what is not finite becomes null."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        finite = {k: None if x is None or not math.isfinite(x) else float(x) for k, x in numbers.items()}
        few = {"few": True} if self.low is not None and self.n < FEW else {}  # too few to say: no interval to build on
        return finite | {"n": self.n} | few | ({"label": asdict(self.label)} if self.label else {})


def estimate(units: Units, *, label: Label | None = None, share: bool = False, **details: Any) -> Metric:
    """The ratio of sums over `units` with its interval; without units, or where nothing was asked, not a number.

    Args:
        share: It is a proportion: the interval is Wilson's (1927) with the number of clusters that simple random sampling would
            need for the same standard error, and stays within [0, 1].
    """
    _, sums = units.sums()
    top, bottom, _ = sums.sum(0)
    if not bottom:
        return Metric(math.nan, details=details, label=label)
    value, n = float(top / bottom), int((sums[:, 1] > 0).sum()) if not units.lost else len(sums)
    made: dict[str, Any] = {"n": n, "details": details, "label": label, "units": units}
    if n < 2:
        return Metric(value, **made)
    error = standard_error(sums)
    low, high = wilson(value, error, n) if share else around(value, error, n, skewness(pseudo_values(sums)))
    low = max(low, 0.0) if (sums >= 0).all() else low
    return Metric(value, min(low, value), max(high, value), **made)


def pseudo_values(sums: np.ndarray) -> np.ndarray:
    """The jackknife's pseudo-values of a ratio of sums: one number a cluster, whose mean is the estimate and whose variance its error.

    Args:
        sums: shape (clusters, 3), as of `Units.sums`.

    Returns:
        Shape (clusters,): G·θ − (G − 1)·θ without the cluster (Tukey, 1958).
    """
    top, bottom, _ = sums.sum(0)
    count, without = len(sums), bottom - sums[:, 1]
    left_out = np.divide(top - sums[:, 2], without, out=np.full(count, top / bottom), where=without > 0)
    return count * top / bottom - (count - 1) * left_out


def standard_error(sums: np.ndarray) -> float:
    """The jackknife's standard error of a ratio of sums over clusters, shape (clusters, 3)."""
    return float(pseudo_values(sums).std(ddof=1) / math.sqrt(len(sums)))


def skewness(values: np.ndarray) -> float:
    """The third standardized moment; 0 where nothing varies."""
    spread = values.std()
    return float(((values - values.mean()) ** 3).mean() / spread**3) if spread > 1e-12 * abs(values).max() else 0.0


def around(value: float, error: float, n: int, skewed: float = 0.0) -> tuple[float, float]:
    """Student's interval: value ± t(0.975, n - 1) standard errors; of a mean of skewed numbers, as far as Hall's transformation reaches.

    With T the studentized mean and a = skewness / √n, ((1 + aT/3)³ - 1) / a + a/6 is free of skewness to the order of 1/√n and has an
    inverse everywhere (Hall, J. R. Statist. Soc. B 54, 1992, section 3): through it the quantiles go back. It only moves ends outwards,
    since few numbers that are not skewed often look as if they were.
    """
    from scipy.stats import t

    quantile, a = float(t.ppf(0.975, n - 1)), skewed / math.sqrt(n)
    up, down = ((math.cbrt(1 + a * (y - a / 6)) - 1) * 3 / a if abs(a) > 1e-6 else y for y in (quantile, -quantile))
    return value - max(up, quantile) * error, value - min(down, -quantile) * error


def wilson(p: float, error: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a proportion whose standard error is known; with an error of 0, as of `n` independent trials.

    The quantile is Student's, since few clusters say little about their own spread.
    """
    from scipy.stats import t

    effective = min(p * (1 - p) / error**2, 1e12) if error > 0 and 0 < p < 1 else n
    z = float(t.ppf(0.975, n - 1)) if 0 < p < 1 else 1.959963984540054
    scale = 1 + z**2 / effective
    center = (p + z**2 / (2 * effective)) / scale
    half = z / scale * math.sqrt(max(0.0, p * (1 - p) / effective + z**2 / (4 * effective**2)))
    return max(0.0, center - half), min(1.0, center + half)


def distinct(ids: Sequence[str], stories: Sequence[Sequence[str]], k: int, **details: Any) -> Metric:
    """Distinct k-grams of words divided by all k-grams, over all stories together (Li et al., 2016).

    A gram that stands in m stories counts 1/m in each, so that the sum is their number; a story left out takes only those along that
    are its own. The measure falls as more text is looked at: compare equal amounts only.
    """
    grams = [Counter(zip(*(words[i:] for i in range(k)), strict=False)) for words in stories]
    kept = [(name, g) for name, g in zip(ids, grams, strict=True) if g]
    among = Counter(gram for _, g in kept for gram in g)
    units = Units(
        [name for name, _ in kept],
        [sum(1 / among[gram] for gram in g) for _, g in kept],
        [g.total() for _, g in kept],
        lost=[sum(among[gram] == 1 for gram in g) for _, g in kept],
    )
    label = details.pop("label", None)
    return estimate(units, label=label, share=True, **details) if kept else Metric(math.nan, label=label)


def openings(ids: Sequence[str], stories: Sequence[Sequence[str]], length: int = 5, **details: Any) -> Metric:
    """How many stories begin with the most common first five words; `most_common` in the details lists ten."""
    heads = {name: join_words(w[:length]) for name, w in zip(ids, stories, strict=True) if len(w) >= length}
    counts = Counter(heads.values())
    common = counts.most_common(10)
    most_common = [{"words": head, "share": count / len(heads)} for head, count in common]
    units = Units(list(heads), [float(head == common[0][0]) for head in heads.values()])
    return estimate(units, share=True, different=len(counts), most_common=most_common, **details)


def mean_over_seeds(values: Sequence[float], **details: Any) -> Metric:
    """The mean of a few repeated measurements with Student's t interval: mean ± t(0.975, n - 1) · s / √n."""
    from scipy.stats import sem

    n = len(values)
    value = float(np.mean(values)) if n else math.nan
    if n < 2:
        return Metric(value, n=n, details=details)
    low, high = around(value, float(sem(values)), n)
    return Metric(value, low, high, n, details)
