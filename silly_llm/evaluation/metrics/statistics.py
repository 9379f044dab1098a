"""Confidence intervals. Every number of a report comes with one: a tiny test set makes for bold claims.

All intervals are at 95 % and depend on nothing but the data and a seed.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from silly_llm.text.words import join_words

RESAMPLES = 1000
Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution


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
class Metric:
    """A measured number and its 95 % interval.

    Args:
        value: The measurement.
        low: Lower end of the interval; `None` where no interval is known.
        high: Upper end.
        n: How many independent units (documents, stories) it was measured on.
        details: Anything else worth keeping in `results.json` next to it, JSON-able.
        label: How a report shows it; default: its bare name, without a direction.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    details: dict[str, Any] = field(default_factory=dict)
    label: Label | None = None

    def as_json(self) -> dict[str, Any]:
        """The four numbers of `results.json`, and the label if there is one; what is not finite becomes null."""

        def number(x: float | None) -> float | None:
            return None if x is None or not math.isfinite(x) else float(x)

        numbers = {"value": number(self.value), "low": number(self.low), "high": number(self.high), "n": self.n}
        return numbers | ({"label": asdict(self.label)} if self.label else {})


def ratio(
    numerators: Sequence[float], denominators: Sequence[float], seed: int = 0, scale: float = 1.0, **details: Any
) -> Metric:
    """`scale * sum(numerators) / sum(denominators)`, bootstrapped over the units (percentile method).

    The units are documents, so a long document weighs as much as it has tokens, and the tokens of one
    document are not mistaken for independent draws.

    Args:
        numerators: One number a unit, such as its nats.
        denominators: One number a unit, such as its bytes; their sum must be positive.
    """
    top, bottom = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    n = len(top)
    value = scale * top.sum() / bottom.sum()
    if n < 2:
        return Metric(value, None, None, n, details)
    random = np.random.default_rng(seed)
    estimates = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = random.integers(0, n, n)
        below = bottom[drawn].sum()
        estimates[i] = scale * top[drawn].sum() / below if below > 0 else value
    low, high = np.quantile(estimates, [0.025, 0.975])
    return Metric(value, min(float(low), value), max(float(high), value), n, details)


def share(successes: int, n: int, **details: Any) -> Metric:
    """A proportion of `n` independent units with its Wilson score interval (Wilson, 1927)."""
    if n == 0:
        return Metric(math.nan, None, None, 0, details)
    p = successes / n
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return Metric(p, max(0.0, min(centre - half, p)), min(1.0, max(centre + half, p)), n, details)


def clustered_share(found: Sequence[int], asked: Sequence[int], seed: int = 0, **details: Any) -> Metric:
    """A proportion whose trials come in clusters (three words a story): bootstrapped over the clusters.

    Where no resample can differ (all found, or none), the bootstrap would claim certainty; then the
    Wilson interval over the clusters is given, which does not.
    """
    if not asked or sum(asked) == 0:
        return Metric(math.nan, None, None, 0, details)
    if sum(found) in (0, sum(asked)):
        return share(len(asked) if sum(found) else 0, len(asked), **details)
    return ratio(found, asked, seed, **details)


def distinct(stories: Iterable[Sequence[str]], k: int, **details: Any) -> Metric:
    """Distinct k-grams of words divided by all k-grams, over all stories together (Li et al., 2016).

    A bootstrap would draw the same story twice and call it repetition, so the interval is a delete-one
    jackknife over the stories. The measure falls as more text is looked at: compare equal amounts only.
    """
    grams = [Counter(tuple(words[i : i + k]) for i in range(len(words) - k + 1)) for words in stories]
    grams = [g for g in grams if g]
    n = len(grams)
    in_stories = Counter(gram for g in grams for gram in g)
    total = sum(sum(g.values()) for g in grams)
    if total == 0:
        return Metric(math.nan, None, None, 0, details)
    value = len(in_stories) / total
    if n < 2:
        return Metric(value, None, None, n, details)
    without = np.array(
        [
            (len(in_stories) - sum(1 for gram in g if in_stories[gram] == 1)) / max(1, total - sum(g.values()))
            for g in grams
        ]
    )
    half = Z * math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
    return Metric(value, max(0.0, value - half), min(1.0, value + half), n, details)


def openings(stories: Iterable[Sequence[str]], length: int = 5) -> Metric:
    """How many stories begin with the most common first five words; `most_common` in the details lists ten."""
    heads = [join_words(words[:length]) for words in stories if len(words) >= length]
    common = Counter(heads).most_common(10)
    return share(
        common[0][1] if common else 0,
        len(heads),
        different=len(set(heads)),
        most_common=[{"words": head, "share": count / len(heads)} for head, count in common],
    )


def mean_over_seeds(values: Sequence[float], **details: Any) -> Metric:
    """The mean of a few repeated measurements with Student's t interval: mean ± t(0.975, n - 1) · s / √n.

    For the handful of seeds that a training is repeated with, of which a bootstrap would claim too much.
    """
    from scipy.stats import t

    n = len(values)
    value = float(np.mean(values)) if n else math.nan
    if n < 2:
        return Metric(value, None, None, n, details)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Metric(value, value - half, value + half, n, details)


def mean(values: Sequence[float], seed: int = 0, **details: Any) -> Metric:
    """The mean over units, bootstrapped."""
    if not values:
        return Metric(math.nan, None, None, 0, details)
    return ratio(values, [1.0] * len(values), seed, **details)
