"""The numbers of a report: the table of metrics with their intervals, the highlights, and how a number is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from silly_llm.core.pages import markdown
from silly_llm.core.schema import check
from silly_llm.evaluation.metrics.base import GROUPS, Label

HIGHLIGHTS = {
    "bits_per_byte": ("bits per byte", "needs {} bits for a byte of held-out text"),
    "ends_by_itself": ("end by themselves", "ends {} of its stories by itself"),
    "words_included": ("words included", "includes {} of the words it is asked for"),
}
"""The highlights: as captioned on a tile, and in a sentence."""
DASH = "–"
MetricJson = Mapping[str, Any]
"""A metric as `results.json` has it: `value`, `low`, `high`, `n`, and a label where it brings one."""


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def show(value: float | None, percent: bool = False) -> str:
    """A number for people: `0.912`, `1,234`, `2.16 M`, `93.1 %`."""
    if value is None:
        return DASH
    if percent:
        return f"{100 * value:.1f} %"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.2f} M"
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


def best_of(metrics: Mapping[str, MetricJson | None], higher: bool | None) -> tuple[str, list[str]] | None:
    """The model with the best value, and those whose intervals overlap with its own; `None` where nothing compares."""
    known = {name: m for name, m in metrics.items() if m and m.get("low") is not None}
    if higher is None or len(known) < 2:
        return None
    best = (max if higher else min)(known, key=lambda name: known[name]["value"])
    low, high = known[best]["low"], known[best]["high"]
    return best, [name for name, m in known.items() if name != best and m["high"] >= low and m["low"] <= high]


def table(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table of metrics: groups of rows, each with a cell a model and, where they were measured, one for the held-out stories."""
    models, reference = results["models"], results.get("dataset", {}).get("reference")
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, label in labels_of(models).items():
        metrics = {model: found["metrics"].get(name) for model, found in models.items()}
        best, overlapping = best_of(metrics, label.higher_is_better) or ("", [""])
        row = [*metrics.values(), *([reference.get(name)] if reference else [])]
        ends = [m[key] for m in row if m for key in ("low", "high", "value") if m.get(key) is not None]
        low, high = (0.0, 1.0) if label.percent or not ends else (min(ends), max(ends))
        margin = 0.0 if label.percent else 0.05 * (high - low)
        cells = [cell(metric, label.percent, low - margin, high + margin) for metric in row]
        if not overlapping:
            cells[list(models).index(best)]["best"] = True
        groups.setdefault(label.group, []).append({"label": label.name, "hint": label.note, "cells": cells})
    return [{"title": title, "rows": rows} for title, rows in groups.items()]


def cell(metric: MetricJson | None, percent: bool, low: float, high: float) -> dict[str, Any]:
    """One number of the table, with where its interval lies between `low` and `high` in percent of the width."""
    made: dict[str, Any] = {"value": DASH, "interval": "", "n": 0, "best": False, "bar": None}
    if not metric or metric.get("value") is None:
        return made

    def place(x: float) -> float:
        return round(100 * min(1.0, max(0.0, (x - low) / (high - low))), 2) if high > low else 50.0

    made |= {"value": show(metric["value"], percent), "n": metric.get("n", 0)}
    if metric.get("low") is not None:
        start, end = metric["low"], metric["high"]
        made["interval"] = f"{show(start, percent).removesuffix(' %')} to {show(end, percent)}"
        width = max(0.8, place(end) - place(start))
        made["bar"] = {"left": place(start), "width": width, "dot": place(metric["value"])}
    return made


def metrics_table(results: Mapping[str, Any], page: bool = False) -> str:
    """The metrics as a Markdown table: short for the terminal; for a page escaped, with `n`, the held-out stories and the best in bold."""
    escape = markdown.inline if page else str
    names = [*results["models"], *(["held-out stories"] if results.get("dataset", {}).get("reference") else [])]
    shown = len(names) if page else len(results["models"])
    rows = [["", *map(escape, names[:shown])]]
    for row in (row for group in table(results) for row in group["rows"]):
        line = [escape(row["label"])]
        for found in row["cells"][:shown]:
            value = f"**{found['value']}**" if page and found["best"] else found["value"]
            n = f"; n = {found['n']}" if page else ""
            line.append(f"{value} ({found['interval']}{n})" if found["interval"] else value)
        rows.append(line)
    return markdown.table(rows)


def overview(models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The highlights of each model, as facts and as a sentence without its subject."""
    tiles = []
    for name, model in models.items():
        details = model.get("details", {})
        chat, parameters = details.get("chat"), details.get("parameters")
        found = {key: m["value"] for key in HIGHLIGHTS if (m := model["metrics"].get(key)) and m["value"] is not None}
        labels = labels_of({name: model})
        shown = {key: show(value, labels[key].percent).replace(" ", "\u00a0") for key, value in found.items()}
        parts = [HIGHLIGHTS[key][1].format(text) for key, text in shown.items() if chat or key != "words_included"]
        tiles.append({
            "name": name,
            "kind": "instruction-tuned model" if chat else "base model",
            "size": f"{show(parameters)} parameters" if parameters else "",
            "facts": [(text, HIGHLIGHTS[key][0]) for key, text in shown.items()],
            "said": " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]])),
        })  # fmt: skip
    return tiles
