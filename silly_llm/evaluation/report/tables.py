"""The numbers of a report: the table of metrics with their intervals, the highlights, and how a number is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from silly_llm.core.pages import markdown
from silly_llm.evaluation.metrics.base import Label
from silly_llm.evaluation.metrics.statistics import FEW, wilson
from silly_llm.evaluation.report.differences import differences
from silly_llm.evaluation.report.numbers import DASH, bar_between, interval, is_number, labels_of, show

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

    A metric also has its `differences` between models, and `parts`: what its details say of paradigms, features or kinds.
    """
    models, reference = results["models"], results.get("dataset", {}).get("reference")
    best, compared = results.get("best") or {}, differences(results)
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, label in labels_of(models).items():
        row = [model["metrics"].get(name) for model in models.values()]
        cells = cells_of([*row, *([reference.get(name)] if reference else [])], label.percent)
        for model, found, one in zip(models, cells, models.values(), strict=False):
            found |= {"best": best.get(name) == model, "why": (one.get("not_measured") or {}).get(name, "")}
        made = {"label": label.name, "hint": label.note, "cells": cells, "parts": parts_of(models, name, label)}
        groups.setdefault(label.group, []).append(made | {"differences": [d for d in compared if d["metric"] == name]})
    return [{"title": title, "rows": rows} for title, rows in groups.items()]


def cells_of(metrics: Sequence[MetricJson | None], percent: bool) -> list[dict[str, Any]]:
    """A cell a number, with bars of their intervals on one scale: of shares from 0 to 1."""
    ends = [m[key] for m in metrics if m for key in ("low", "high", "value") if m.get(key) is not None]
    low, high = (0.0, 1.0) if percent or not ends else (min(ends), max(ends))
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
    """What the details of a metric say of its parts, as tables of rows with a cell a model.

    Any mapping of names to `{"value", "n"}` counts (and `low` and `high`; where they are missing, a share gets Wilson's), and
    `by_feature`, where each feature has a row for the stories that were asked for it and one for the others.
    """
    found: dict[str, dict[str, dict[str, MetricJson]]] = {}
    for model, one in models.items():
        details = one.get("details", {}).get(name)
        for title, parts in details.items() if isinstance(details, dict) else ():
            for part, numbers in parts.items() if isinstance(parts, dict) else ():
                for said, metric in as_metrics(part, numbers, label.percent):
                    found.setdefault(title, {}).setdefault(said.replace("_", " "), {})[model] = metric
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


def as_metrics(part: str, numbers: Any, percent: bool) -> list[tuple[str, MetricJson]]:
    """One part of a metric as metrics with intervals, and how each is called; none where it is something else."""
    if not isinstance(numbers, dict):
        return []
    if is_number(numbers.get("asked")) and is_number(numbers.get("found")):
        counts = [("asked for", numbers["found"], numbers["asked"])]
        counts += [("not asked for", numbers.get("found_although_not_asked", 0), numbers.get("not_asked", 0))]
        return [(f"{part}, {how}", share_of(found / n, n)) for how, found, n in counts if n]
    if not is_number(numbers.get("value")):
        return []
    known = numbers.get("low") is not None or not percent or not numbers.get("n")
    return [(part, numbers if known else share_of(numbers["value"], numbers["n"]))]


def share_of(value: float, n: int) -> MetricJson:
    """A share of `n` independent trials with Wilson's interval."""
    low, high = wilson(value, 0.0, n) if n > 1 or value in (0, 1) else (0.0, 1.0)
    return {"value": value, "low": low, "high": high, "n": n}


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
    return cells_table(names, [row for group in table(results) for row in group["rows"]], escape, page)


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
            n = f"; n = {found['n']}{', too few' if found['few'] else ''}" if page else ""
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
