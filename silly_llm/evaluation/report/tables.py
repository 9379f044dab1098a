"""The numbers of a report: tables of metrics with their intervals, a headline, and how people read a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from silly_llm.core.schema import check
from silly_llm.evaluation.metrics.statistics import Label

PREDICTING, TELLING = "Predicting held-out text", "Telling stories"
FOLLOWING, VARIETY = "Following instructions", "Variety"
LABELS = {
    "bits_per_byte": Label("Bits per byte", PREDICTING, "lower is better; compares any two models", False),
    "loss": Label("Loss per token", PREDICTING, "nats; compares models with the same tokenizer"),
    "ends_by_itself": Label("Ends by itself", TELLING, "stories that stop before the token limit", True, True),
    "story_words": Label("Words per story", TELLING),
    "words_included": Label("Requested words included", FOLLOWING, "inflected forms count", True, True),
    "features_included": Label("Requested features found", FOLLOWING, "by rules, which can err", True, True),
    "distinct_1": Label("Distinct words", VARIETY, "of all words in all stories", percent=True),
    **{f"distinct_{k}": Label(f"Distinct {k}-grams", VARIETY, percent=True) for k in (2, 3, 4)},
    "top_opening": Label(
        "Most common opening", VARIETY, "share of stories that begin with the same five words", percent=True
    ),
}
"""Those of our own metrics, in the order of the report."""
DASH = "–"


def show(value: float | None, percent: bool = False) -> str:
    """A number as people read it."""
    if value is None:
        return DASH
    if percent:
        return f"{100 * value:.1f} %"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.2f} M"
    if abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.3f}"


def interval(metric: Mapping[str, Any] | None, percent: bool = False) -> str:
    """A 95 % interval, or nothing where none is known."""
    if not metric or metric.get("low") is None or metric.get("high") is None:
        return ""
    low, high = show(metric["low"], percent), show(metric["high"], percent)
    return f"{low.removesuffix(' %')} to {high}"


def labels_of(models: Mapping[str, Any]) -> dict[str, Label]:
    """How to show each metric that any model has: ours first, then a plugin's as it says itself, a harness's by its bare name."""
    said: dict[str, Label] = {}
    for model in models.values():
        for name, metric in model["metrics"].items():
            given = metric.get("label")
            said[name] = LABELS.get(name) or (
                check(given, Label, where=f"results.json: {name}: label") if given else said.get(name, Label(name))
            )
    return {name: said[name] for name in [*(n for n in LABELS if n in said), *(n for n in said if n not in LABELS)]}


def best_of(values: list[Mapping[str, Any] | None], higher: bool | None) -> int | None:
    """Which model is better than every other one with intervals that do not overlap; None when none is."""
    there = [(i, v) for i, v in enumerate(values) if v and v.get("low") is not None]
    if higher is None or len(there) < 2:
        return None
    best, metric = (max if higher else min)(there, key=lambda pair: pair[1]["value"])
    apart = all(
        (metric["low"] > other["high"]) if higher else (metric["high"] < other["low"])
        for i, other in there
        if i != best
    )
    return best if apart else None


def table(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table of metrics: groups of rows, each with a cell a model and one for the held-out stories themselves."""
    models, reference = results["models"], results.get("dataset", {}).get("reference", {})
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, label in labels_of(models).items():
        percent = label.percent
        values = [model["metrics"].get(name) for model in models.values()]
        known = [v for v in [*values, reference.get(name)] if v and v.get("value") is not None]
        ends = [v[k] for v in known for k in ("low", "high", "value") if v.get(k) is not None]
        low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
        low, high = (0.0, 1.0) if percent else (low - 0.05 * (high - low), high + 0.05 * (high - low))
        best = best_of(values, label.higher_is_better)
        cells = [cell(v, percent, low, high, i == best) for i, v in enumerate(values)]
        row = {
            "label": label.name,
            "hint": label.note,
            "cells": cells,
            "reference": cell(reference.get(name), percent, low, high),
        }
        groups.setdefault(label.group, []).append(row)
    return [{"title": title, "rows": rows} for title, rows in groups.items()]


def cell(
    metric: Mapping[str, Any] | None, percent: bool, low: float, high: float, best: bool = False
) -> dict[str, Any]:
    """One number of the table, with where its interval lies between `low` and `high` in percent of the width."""
    if not metric or metric.get("value") is None:
        return {"value": DASH, "interval": "", "n": 0, "best": False, "bar": None}

    def place(x: float) -> float:
        return round(100 * min(1.0, max(0.0, (x - low) / (high - low))), 2) if high > low else 50.0

    bar = None
    if metric.get("low") is not None:
        start, end = place(metric["low"]), place(metric["high"])
        bar = {"left": start, "width": max(0.8, end - start), "dot": place(metric["value"])}
    return {
        "value": show(metric["value"], percent),
        "interval": interval(metric, percent),
        "n": metric.get("n", 0),
        "best": best,
        "bar": bar,
    }


def metrics_table(results: Mapping[str, Any]) -> str:
    """The metrics as a plain text table for the terminal."""
    models = results["models"]
    rows = [["", *models]]
    for name, label in labels_of(models).items():
        line, percent = [label.name], label.percent
        for model in models.values():
            metric = model["metrics"].get(name)
            span = interval(metric, percent)
            line.append((show(metric["value"], percent) if metric else DASH) + (f"  ({span})" if span else ""))
        rows.append(line)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def headline(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What came out, one sentence a model: its name and the rest of the sentence."""
    sentences = []
    for name, model in list(results["models"].items())[:3]:
        metrics, parts = model["metrics"], []
        if (m := metrics.get("bits_per_byte")) and m["value"] is not None:
            parts.append(f"needs {m['value']:.3f} bits for a byte of held-out text")
        if (m := metrics.get("ends_by_itself")) and m["value"] is not None:
            parts.append(f"ends {100 * m['value']:.0f} % of its stories by itself")
        if model.get("details", {}).get("chat") and (m := metrics.get("words_included")) and m["value"] is not None:
            parts.append(f"includes {100 * m['value']:.0f} % of the words it is asked for")
        if parts:
            said = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
            sentences.append((name, f"{said}."))
    return sentences


def tiles(models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A few numbers a model to see at first sight."""
    wanted = {
        "bits_per_byte": "bits per byte",
        "ends_by_itself": "end by themselves",
        "words_included": "words included",
    }
    rows = []
    for name, model in models.items():
        details = model.get("details", {})
        facts = [
            (show(m["value"], key != "bits_per_byte"), label)
            for key, label in wanted.items()
            if (m := model["metrics"].get(key)) and m["value"] is not None
        ]
        kind = "instruction-tuned model" if details.get("chat") else "base model"
        size = f"{show(details['parameters'])} parameters" if details.get("parameters") else ""
        rows.append({"name": name, "kind": kind, "size": size, "facts": facts})
    return rows
