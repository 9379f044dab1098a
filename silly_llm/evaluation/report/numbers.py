"""How numbers are shown: labels, intervals, and where they lie on a scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from silly_llm.core.schema import check
from silly_llm.evaluation.metrics.base import GROUPS, Label
from silly_llm.evaluation.metrics.statistics import ALPHA

DASH = "–"
RULE = f"better: corrected p < {ALPHA}; intervals: 95 %"
"""What a verdict means, wherever one is shown."""


def show(value: float | None, percent: bool = False) -> str:
    """A number for people: `0.912`, `1,234`, `2.16 M`, `5.28e13`, `93.1 %`."""
    if value is None:
        return DASH
    if percent:
        return f"{100 * value:.1f} %"
    if abs(value) >= 1e12:
        return f"{value:.2e}".replace("e+", "e")
    if abs(value) >= 1e6:
        return f"{value / 1e9:.2f} G" if abs(value) >= 1e9 else f"{value / 1e6:.2f} M"
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 10 else f"{value:.3f}"


def labels_of(models: Mapping[str, Any]) -> dict[str, Label]:
    """How to show each metric that any model has, by group; one without a label by its bare name."""
    said: dict[str, Label] = {}
    for model in models.values():
        for name, metric in model["metrics"].items():
            given = metric.get("label")
            found = check(given, Label, where=f"results.json: {name}: label") if given else None
            said[name] = found or said.get(name, Label(name))
    place = {group: number for number, group in enumerate(GROUPS)}
    return dict(sorted(said.items(), key=lambda item: place.get(item[1].group, len(place))))


def interval(low: float, high: float, percent: bool = False) -> str:
    return f"{show(low, percent).removesuffix(' %')} to {show(high, percent)}"


def bar_between(low: float, value: float, high: float, first: float, last: float) -> dict[str, float]:
    """Where an interval and its value lie on a scale from `first` to `last`, in percent of its width."""

    def place(x: float) -> float:
        return round(100 * min(1.0, max(0.0, (x - first) / (last - first))), 2) if last > first else 50.0

    return {"left": place(low), "width": max(0.8, place(high) - place(low)), "dot": place(value)}
