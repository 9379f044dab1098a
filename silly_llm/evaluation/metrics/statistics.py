"""Confidence intervals. Every number of a report comes with one: a tiny test set makes for bold claims.

All intervals are at 95 % and depend on nothing but the data and a seed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from silly_llm.text.words import join_words

RESAMPLES = 1000
DRAWN_AT_ONCE = 2**20
"""Units that a bootstrap draws at once: bounds memory, not results."""
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

    def as_json(self) -> dict[str, Any]:
        """The four numbers of `results.json`, and the label if there is one; what is not finite becomes null."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        finite = {k: None if x is None or not math.isfinite(x) else float(x) for k, x in numbers.items()}
        return finite | {"n": self.n} | ({"label": asdict(self.label)} if self.label else {})


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
    from scipy.stats import bootstrap

    n = len(numerators)
    value = float(scale * np.sum(numerators) / np.sum(denominators))
    if n < 2:
        return Metric(value, n=n, details=details)
    found = bootstrap(
        (np.asarray(numerators, float), np.asarray(denominators, float)),
        lambda top, bottom, axis: scale * top.sum(axis) / bottom.sum(axis),
        n_resamples=RESAMPLES,
        batch=max(1, DRAWN_AT_ONCE // n),
        paired=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Metric(value, min(float(found.low), value), max(float(found.high), value), n, details)


def share(successes: int, n: int, **details: Any) -> Metric:
    """A proportion of `n` independent units with its Wilson score interval (Wilson, 1927)."""
    from scipy.stats import binomtest

    if n == 0:
        return Metric(math.nan, details=details)
    p, interval = successes / n, binomtest(successes, n).proportion_ci(method="wilson")
    return Metric(p, min(interval.low, p), max(interval.high, p), n, details)


def clustered_share(found: Sequence[int], asked: Sequence[int], seed: int = 0, **details: Any) -> Metric:
    """A proportion whose trials come in clusters (three words a story): bootstrapped over the clusters.

    Where no resample can differ (all found, or none), the bootstrap would claim certainty; then the
    Wilson interval over the clusters is given, which does not.
    """
    if not sum(asked):
        return Metric(math.nan, details=details)
    if sum(found) in (0, sum(asked)):
        return share(len(asked) if sum(found) else 0, len(asked), **details)
    return ratio(found, asked, seed, **details)


def distinct(stories: Iterable[Sequence[str]], k: int, **details: Any) -> Metric:
    """Distinct k-grams of words divided by all k-grams, over all stories together (Li et al., 2016).

    A bootstrap would draw the same story twice and call it repetition, so the interval is a delete-one
    jackknife over the stories. The measure falls as more text is looked at: compare equal amounts only.
    """
    grams = [g for words in stories if (g := Counter(zip(*(words[i:] for i in range(k)), strict=False)))]
    n, in_stories, total = len(grams), Counter(gram for g in grams for gram in g), sum(g.total() for g in grams)
    if not n:
        return Metric(math.nan, details=details)
    value = len(in_stories) / total
    if n < 2:
        return Metric(value, n=n, details=details)
    alone = [sum(in_stories[gram] == 1 for gram in g) for g in grams]
    without = [(len(in_stories) - own) / (total - g.total()) for own, g in zip(alone, grams, strict=True)]
    half = Z * math.sqrt((n - 1) * float(np.var(without)))
    return Metric(value, max(0.0, value - half), min(1.0, value + half), n, details)


def openings(stories: Iterable[Sequence[str]], length: int = 5, **details: Any) -> Metric:
    """How many stories begin with the most common first five words; `most_common` in the details lists ten."""
    heads = Counter(join_words(words[:length]) for words in stories if len(words) >= length)
    n, common = heads.total(), heads.most_common(10)
    most_common = [{"words": head, "share": count / n} for head, count in common]
    return share(common[0][1] if n else 0, n, different=len(heads), most_common=most_common, **details)


def mean_over_seeds(values: Sequence[float], **details: Any) -> Metric:
    """The mean of a few repeated measurements with Student's t interval: mean ± t(0.975, n - 1) · s / √n.

    For the handful of seeds that a training is repeated with, of which a bootstrap would claim too much.
    """
    from scipy.stats import sem, t

    n = len(values)
    value = float(np.mean(values)) if n else math.nan
    if n < 2:
        return Metric(value, n=n, details=details)
    half = float(t.ppf(0.975, n - 1) * sem(values))
    return Metric(value, value - half, value + half, n, details)


def mean(values: Sequence[float], seed: int = 0, **details: Any) -> Metric:
    """The mean over units, bootstrapped."""
    return ratio(values, [1.0] * len(values), seed, **details) if values else Metric(math.nan, details=details)
