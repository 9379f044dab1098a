"""Scores against size and cost, with published points where they were measured alike on the same text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from silly_llm.core.pages.plots import SERIES, Point, is_number, scatter_plot
from silly_llm.evaluation.metrics.base import COST
from silly_llm.evaluation.report.numbers import labels_of

COSTS = {"parameters": "parameters", "training_flops": "FLOPs of training", "weight_bytes": "bytes of weights"}
"""Names of metrics or details, and what they are called."""
SCORES = 3
"""Metrics that are plotted: the first with a better direction, of as many groups."""
PUBLISHED: dict[str, list[dict[str, Any]]] = {
    "a92cb976a7b2e861": [  # 350 stories of TinyStories' validation split
        {"name": "stories260K", "source": "karpathy/tinyllamas; bits per byte measured here", "bits_per_byte": 0.947}
        | {"parameters": 260_032, "weight_bytes": 1_040_128}
    ]
}
"""Published models by the digest of the texts that they were measured on (`texts` of `dataset`), whole and through a sliding window. The
figures of the TinyStories paper and of llama2.c are of other texts, tokenizers and judges: they stand in docs/TinyStories.md only."""


def published(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The published points that compare with these results."""
    sliding = results.get("settings", {}).get("window") == "sliding"
    return PUBLISHED.get(results.get("dataset", {}).get("texts", ""), []) if sliding else []


def score_plots(results: Mapping[str, Any]) -> list[str]:
    """A plot for each score and cost that at least two models, published ones included, have at different values."""
    models, plots, groups = results["models"], [], set[str]()
    for metric, label in labels_of(models).items():
        if label.higher_is_better is None or label.group in {*groups, COST} or len(groups) == SCORES:
            continue
        for key, called in COSTS.items():
            points = []
            for i, model in enumerate(models.values()):
                found, x = model["metrics"].get(metric) or {}, cost_of(model, key)
                if x and is_number(found.get("value")):
                    ends = found["value"], found.get("low"), found.get("high")
                    points.append(Point(x, *ends, color=SERIES[i % len(SERIES)]))
            more = [p for p in published(results) if metric in p and key in p]
            points += [Point(p[key], p[metric], name=p["name"], hollow=True) for p in more]
            if len({p.x for p in points}) > 1:
                plots.append(scatter_plot(points, title=label.name, x_label=called))
                groups.add(label.group)
    return plots


def cost_of(model: Mapping[str, Any], key: str) -> float | None:
    """What a model costs, by its metrics or else its details."""
    value = (model["metrics"].get(key) or {}).get("value") or model.get("details", {}).get(key)
    return float(value) if is_number(value) else None
