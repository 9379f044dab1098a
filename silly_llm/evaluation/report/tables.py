"""The numbers of a report: the table of metrics with their intervals, the highlights, and how a number is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from silly_llm.core.pages import markdown
from silly_llm.core.pages.plots import is_number
from silly_llm.evaluation.metrics.base import Label
from silly_llm.evaluation.metrics.statistics import FEW
from silly_llm.evaluation.report.differences import differences
from silly_llm.evaluation.report.numbers import DASH, bar_between, interval, labels_of, show

HIGHLIGHTS = {
    "bits_per_byte": ("bits per byte", "needs {} bits for a byte of held-out text"),
    "ends_by_itself": ("end by themselves", "ends {} of its stories by itself"),
    "words_included": ("words included", "includes {} of the words it is asked for"),
}
"""The highlights: as captioned on a tile, and in a sentence."""
MetricJson = Mapping[str, Any]
"""A metric as `results.json` has it: `value`, `low`, `high`, `n`, and a label where it brings one."""


def table(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Groups of metrics: each metric with a cell a model and, where they were measured, one for the held-out stories.

    A metric also has its `differences` between models, `parts`, what its details say of paradigms, features or kinds, and `fields`: the
    rows of metrics that measure a part of it (`blimp/morphology` of `blimp`).
    """
    models, reference = results["models"], results.get("dataset", {}).get("reference")
    best, compared = results.get("best") or {}, differences(results)
    labels, rows = labels_of(models), dict[str, dict[str, Any]]()
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, label in labels.items():
        row = [model["metrics"].get(name) for model in models.values()]
        cells = cells_of([*row, *([reference.get(name)] if reference else [])], label.percent)
        for model, found, one in zip(models, cells, models.values(), strict=False):
            found |= {"best": best.get(name) == model, "why": (one.get("not_measured") or {}).get(name, "")}
        rows[name] = {"label": label.name, "hint": label.note, "cells": cells, "parts": parts_of(models, name, label)}
        rows[name] |= {"differences": [d for d in compared if d["metric"] == name], "fields": []}
        whole = name.rpartition("/")[0]
        if whole in rows and label.group == labels[whole].group and label.name.startswith(f"{labels[whole].name}: "):
            rows[whole]["fields"].append(rows[name])
        else:
            groups.setdefault(label.group, []).append(rows[name])
    return [{"title": title, "rows": rows} for title, rows in groups.items()]


def cells_of(metrics: Sequence[MetricJson | None], percent: bool) -> list[dict[str, Any]]:
    """A cell a number, with bars of their intervals on one scale: of shares from 0 to 1, of their differences from -1."""
    ends = [m[key] for m in metrics if m for key in ("low", "high", "value") if m.get(key) is not None]
    low, high = (-float(min(ends, default=0) < 0), 1.0) if percent or not ends else (min(ends), max(ends))
    margin = 0.0 if percent else 0.05 * (high - low)
    return [cell(metric, percent, low - margin, high + margin) for metric in metrics]


def cell(metric: MetricJson | None, percent: bool, low: float, high: float) -> dict[str, Any]:
    """One number, with where its interval lies between `low` and `high` in percent of the width."""
    made: dict[str, Any] = {"value": DASH, "interval": "", "n": 0, "best": False, "why": "", "few": False, "bar": None}
    if not metric or metric.get("value") is None:
        return made
    n = metric.get("n", 0)
    made |= {"value": show(metric["value"], percent), "n": n}
    if metric.get("low") is not None:
        start, end = metric["low"], metric["high"]
        made |= {"interval": interval(start, end, percent), "few": 0 < n < FEW}
        made["bar"] = bar_between(start, metric["value"], end, low, high)
    return made


def parts_of(models: Mapping[str, Any], name: str, label: Label) -> list[dict[str, Any]]:
    """What the details of a metric say of its parts, as tables of rows with a cell a model: any mapping of names to metrics."""
    found: dict[str, dict[str, dict[str, MetricJson]]] = {}
    for model, one in models.items():
        details = one.get("details", {}).get(name)
        for title, parts in details.items() if isinstance(details, dict) else ():
            for part, metric in metrics_in(parts):
                found.setdefault(title, {}).setdefault(part, {})[model] = metric
    return [
        {
            "title": title.replace("_", " "),
            "rows": [
                {"label": part, "cells": cells_of([row.get(model) for model in models], label.percent)}
                for part, row in rows.items()
            ],
        }
        for title, rows in found.items()
    ]


def metrics_in(parts: Any, *names: str) -> Iterator[tuple[str, MetricJson]]:
    """The metrics in a mapping, also of mappings (`share_asked` of each feature), and how each is called."""
    for name, part in parts.items() if isinstance(parts, dict) else ():
        called = (*names, name.removeprefix("share_").replace("_", " "))
        if isinstance(part, dict) and is_number(part.get("value")):
            yield ", ".join(called), part
        else:
            yield from metrics_in(part, *called)


def not_measured(models: Mapping[str, Any], notes: Sequence[str]) -> list[tuple[str, str, str]]:
    """Model, metric or provider, and why: what could not be measured and no note says."""
    labels = labels_of(models)
    return [
        (model, labels[name].name if name in labels else name.replace("_", " "), str(why))
        for model, found in models.items()
        for name, why in (found.get("not_measured") or {}).items()
        if not any(str(why) in note and model in note for note in notes)
    ]


def metrics_table(results: Mapping[str, Any], page: bool = False) -> str:
    """The metrics as a Markdown table: short for the terminal; for a page escaped, with `n`, the held-out stories and the best in bold."""
    escape = markdown.inline if page else str
    names = [*results["models"], *(["held-out stories"] if results.get("dataset", {}).get("reference") else [])]
    names = names if page else list(results["models"])
    rows = [row for group in table(results) for whole in group["rows"] for row in (whole, *whole["fields"] * page)]
    return cells_table(names, rows, escape, page)


def cells_table(
    names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    escape: Callable[[Any], str] = markdown.inline,
    page: bool = True,
) -> str:
    """Rows of cells as a Markdown table with a column a name."""
    lines = [["", *map(escape, names)]]
    for row in rows:
        line = [escape(row["label"])]
        for found in row["cells"][: len(names)]:
            value = f"**{found['value']}**" if page and found["best"] else found["value"]
            n = f"; n = {found['n']}{', too few' if found['few'] else ''}" if page and found["n"] else ""
            line.append(f"{value} ({found['interval']}{n})" if found["interval"] else value)
        lines.append(line)
    return markdown.table(lines)


def overview(models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The highlights of each model, as facts and as a sentence without its subject, and what it reads text in."""
    tiles = []
    for name, model in models.items():
        details = model.get("details", {})
        chat, parameters, scored = details.get("chat"), details.get("parameters"), details.get("bits_per_byte") or {}
        found = {key: m["value"] for key in HIGHLIGHTS if (m := model["metrics"].get(key)) and m["value"] is not None}
        labels = labels_of({name: model})
        shown = {key: show(value, labels[key].percent).replace(" ", "\u00a0") for key, value in found.items()}
        parts = [HIGHLIGHTS[key][1].format(text) for key, text in shown.items() if chat or key != "words_included"]
        reads = {
            "tokens of vocabulary": details.get("vocabulary"),
            "bytes per token": scored["bytes"] / scored["tokens"] if scored.get("tokens") else None,
            "tokens of context": details.get("context"),
        }
        tiles.append({
            "name": name,
            "kind": "instruction-tuned model" if chat else "base model",
            "size": f"{show(parameters)} parameters" if parameters else "",
            "reads": [f"{show(value)} {what}" for what, value in reads.items() if value],
            "facts": [(text, HIGHLIGHTS[key][0]) for key, text in shown.items()],
            "said": " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]])),
        })  # fmt: skip
    return tiles
