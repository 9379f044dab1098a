"""The numbers of a report: tables of metrics with their intervals, a headline, and how people read a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# group, metric, label, what it means, higher is better (None: neither), as a percentage
ROWS: tuple[tuple[str, str, str, str, bool | None, bool], ...] = (
    ("Predicting held-out text", "bits_per_byte", "Bits per byte", "lower is better; compares any two models", False, False),
    ("Predicting held-out text", "loss", "Loss per token", "nats; compares models with the same tokenizer", None, False),
    ("Telling stories", "ends_by_itself", "Ends by itself", "stories that stop before the token limit", True, True),
    ("Telling stories", "story_words", "Words per story", "", None, False),
    ("Following instructions", "words_included", "Requested words included", "inflected forms count", True, True),
    ("Following instructions", "features_included", "Requested features found", "by rules, which can err", True, True),
    ("Variety", "distinct_1", "Distinct words", "of all words in all stories", None, True),
    ("Variety", "distinct_2", "Distinct 2-grams", "", None, True),
    ("Variety", "distinct_3", "Distinct 3-grams", "", None, True),
    ("Variety", "distinct_4", "Distinct 4-grams", "", None, True),
    ("Variety", "top_opening", "Most common opening", "share of stories that begin with the same five words", None, True),
)  # fmt: skip
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


def metric_rows(models: Mapping[str, Any]) -> list[tuple[str, str, str, str, bool | None, bool]]:
    """The known metrics that any model has, then the others (a plugin's, a harness's) under their own names."""
    there = list(dict.fromkeys(name for model in models.values() for name in model["metrics"]))
    known = [row for row in ROWS if row[1] in there]
    others = [name for name in there if name not in {row[1] for row in ROWS}]
    return known + [("Other metrics", name, name, "", None, False) for name in others]


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
    for group, name, label, hint, higher, percent in metric_rows(models):
        values = [model["metrics"].get(name) for model in models.values()]
        known = [v for v in [*values, reference.get(name)] if v and v.get("value") is not None]
        ends = [v[k] for v in known for k in ("low", "high", "value") if v.get(k) is not None]
        low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
        low, high = (0.0, 1.0) if percent else (low - 0.05 * (high - low), high + 0.05 * (high - low))
        best = best_of(values, higher)
        cells = [cell(v, percent, low, high, i == best) for i, v in enumerate(values)]
        row = {
            "label": label,
            "hint": hint,
            "cells": cells,
            "reference": cell(reference.get(name), percent, low, high),
        }
        groups.setdefault(group, []).append(row)
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
    for _, name, label, _, _, percent in metric_rows(models):
        line = [label]
        for model in models.values():
            metric = model["metrics"].get(name)
            span = interval(metric, percent)
            line.append(
                (show(metric["value"], percent) if metric else DASH) + (f"  ({span})" if span else "")
            )
        rows.append(line)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
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
        if (
            model.get("details", {}).get("chat")
            and (m := metrics.get("words_included"))
            and m["value"] is not None
        ):
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
