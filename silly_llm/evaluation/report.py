"""The report: everything an evaluation and the phases before it left behind, as one page to show to a friend.

`report.html` is one self-contained file: style and plots are inside, nothing is fetched. All text of models and datasets
is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from silly_llm import __version__
from silly_llm.evaluation.plots import read_log, training_plots
from silly_llm.output import write_text

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
PHASE_TITLES = {
    "vocabulary": "Vocabulary",
    "stories": "Stories",
    "pretrain": "Pretraining",
    "instructions": "Instructions",
    "sft": "Instruction tuning",
    "evaluation": "Evaluation",
}
DASH = "–"


def write_report(
    results: Mapping[str, Any],
    folders: Mapping[str, str],
    output: Path,
    *,
    title: str | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> None:
    """Write `report.html` and `report.md`.

    Args:
        results: What `results.json` holds.
        folders: Other phases' folders by phase (`stories`, `pretrain`, …); what is not there is left out.
        output: The folder to write to.
        title: Headline; default: made from the models' names.
        recipe: The resolved recipe of the evaluation itself, secrets masked.
    """
    import jinja2

    context = report_context(results, folders, title, recipe)
    for name, autoescape in (("report.html", True), ("report.md", False)):
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("silly_llm", "templates"),
            autoescape=autoescape,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        write_text(output / name, environment.get_template(f"{name}.jinja").render(context).strip() + "\n")


def report_context(
    results: Mapping[str, Any],
    folders: Mapping[str, str],
    title: str | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything the templates show, in plain values."""
    models = results["models"]
    names = list(models)
    present = {phase: Path(folder) for phase, folder in folders.items() if folder and Path(folder).is_dir()}
    recipes = {
        PHASE_TITLES.get(phase, phase): read_text(folder / "recipe.yaml") for phase, folder in present.items()
    }
    if recipe:
        from silly_llm.config import to_yaml

        recipes["Evaluation"] = to_yaml(dict(recipe))
    logs = {phase: read_log(present[phase]) for phase in ("pretrain", "sft") if phase in present}
    return {
        "title": title or " and ".join(names) + (" compared" if len(names) > 2 else ""),
        "version": __version__,
        "results": results,
        "names": names,
        "models": models,
        "dataset": results.get("dataset", {}),
        "settings": results.get("settings", {}),
        "notes": results.get("notes", []),
        "headline": headline(results),
        "hero": hero_story(models),
        "tiles": tiles(models),
        "groups": table(results),
        "reference": bool(results.get("dataset", {}).get("reference")),
        "trainings": [
            {"title": PHASE_TITLES[phase], "plots": [Markup(svg) for svg in training_plots(log)], "facts": training_facts(log)}
            for phase, log in logs.items()
            if log
        ],
        "beginnings": samples(models, "beginning"),
        "instructions": samples(models, "instruction"),
        "openings": opening_lists(results),
        "features": feature_rows(models),
        "statistics": statistics(present.get("stories")),
        "times": phase_times(present),
        "recipes": {name: text for name, text in recipes.items() if text},
    }  # fmt: skip


# Numbers --------------------------------------------------------------------------------------------------------------


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


def headline(results: Mapping[str, Any]) -> str:
    """One or two sentences that say what came out."""
    sentences = []
    for name, model in results["models"].items():
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
            sentences.append(f"{name} {said}.")
    return " ".join(sentences[:3])


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


# Texts ----------------------------------------------------------------------------------------------------------------


def samples(models: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """One entry a prompt with every model's text, words that were asked for marked in it."""
    by_prompt: dict[str, dict[str, Any]] = {}
    for name, model in models.items():
        seen: dict[str, int] = {}
        for sample in model.get("samples", []):
            if sample.get("kind", "beginning") != kind:
                continue
            seen[sample["prompt"]] = seen.get(sample["prompt"], -1) + 1  # the same prompt may be there twice
            entry = by_prompt.setdefault(
                f"{seen[sample['prompt']]} {sample['prompt']}", {"prompt": sample["prompt"], "texts": {}}
            )
            words = sample.get("words") or {}
            entry["texts"][name] = {
                "text": sample["completion"],
                "html": marked(sample["completion"], list(words)),
                "ended": sample.get("ended", True),
                "words": words,
                "features": {
                    f.replace("_", " "): found for f, found in (sample.get("features") or {}).items()
                },
            }
    return list(by_prompt.values())


def marked(text: str, words: list[str]) -> Markup:
    """Escaped text with all forms of `words` in `<mark>`."""
    if not words:
        return escape(text)
    from silly_llm.text.inflection import word_forms

    forms = sorted({re.escape(form) for word in words for form in word_forms(word)}, key=len, reverse=True)
    parts = re.split(rf"\b({'|'.join(forms)})\b", text, flags=re.IGNORECASE)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


def hero_story(models: Mapping[str, Any]) -> dict[str, Any] | None:
    """A story to begin with: of the most tuned model the first that ended and has most of what was asked for."""
    for name, model in reversed(models.items()):
        kind = "instruction" if model.get("details", {}).get("chat") else "beginning"
        ended = [s for s in model.get("samples", []) if s.get("kind") == kind and s.get("ended")]
        if ended:
            best = max(ended, key=lambda s: sum((s.get("words") or {}).values()))
            text = best["completion"] if kind == "instruction" else best["prompt"] + best["completion"]
            html = marked(text, list(best.get("words") or {}))
            return {"name": name, "html": html, "text": text, "words": list(best.get("words") or {})}
    return None


def opening_lists(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The most common first five words, a list a model and one of the held-out stories."""
    lists = []
    sources = {name: model.get("details", {}).get("top_opening") for name, model in results["models"].items()}
    sources["held-out stories"] = results.get("dataset", {}).get("reference", {}).get("top_opening")
    for name, details in sources.items():
        if details and details.get("most_common"):
            lists.append(
                {"name": name, "given": details.get("given_words", 0), "rows": details["most_common"][:5]}
            )
    return lists


def feature_rows(models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How often each feature is found where it was asked for, and where it was not."""
    rows: dict[str, dict[str, str]] = {}
    for name, model in models.items():
        by_feature = model.get("details", {}).get("features_included", {}).get("by_feature", {})
        for feature, c in by_feature.items():
            if c["asked"]:
                asked = f"{100 * c['found'] / c['asked']:.0f} %"
                chance = (
                    f"{100 * c['found_although_not_asked'] / c['not_asked']:.0f} %"
                    if c["not_asked"]
                    else DASH
                )
                rows.setdefault(feature.replace("_", " "), {})[name] = f"{asked} ({chance})"
    return [
        {"feature": feature, "cells": [cells.get(name, DASH) for name in models]}
        for feature, cells in rows.items()
    ]


# Other phases ---------------------------------------------------------------------------------------------------------


def training_facts(log: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The end of a training in a few numbers."""
    last = {key: row[key] for row in log for key in row if isinstance(row[key], (int, float))}
    wanted = (
        ("step", "steps", 1.0),
        ("tokens", "tokens", 1.0),
        ("seconds", "minutes", 60.0),
        ("eval_loss", "held-out loss", 1.0),
        ("eval_bits_per_byte", "held-out bits per byte", 1.0),
    )
    facts = []
    for key, label, unit in wanted:
        if key in last:
            value = last[key] / unit
            facts.append(
                (
                    label,
                    f"{value:.1f}"
                    if label == "minutes"
                    else f"{value:,.0f}"
                    if value == int(value) and value < 1e6
                    else show(value),
                )
            )
    return facts  # fmt: skip


def statistics(folder: Path | None) -> dict[str, Any] | None:
    """`statistics.json` of the stories, whatever it holds: numbers as facts, mappings of numbers as bars."""
    content = read_json(folder / "statistics.json") if folder else None
    if not isinstance(content, dict):
        return None
    facts: list[tuple[str, str]] = []
    bars: list[dict[str, Any]] = []

    def walk(title: str, value: Any) -> None:
        label = title.replace("_", " ")
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, (int, float, str)):
            facts.append(
                (
                    label,
                    f"{value:,}"
                    if isinstance(value, int)
                    else value
                    if isinstance(value, str)
                    else show(value),
                )
            )
            return
        pairs = as_pairs(value)
        if pairs is not None:
            most = max((n for _, n in pairs), default=0)
            if most > 0:
                whole = all(float(n).is_integer() for _, n in pairs)
                rows = [
                    {
                        "name": name,
                        "shown": f"{n:,.0f}" if whole else show(n, most <= 1),
                        "width": round(100 * n / most, 1),
                    }
                    for name, n in pairs[:12]
                ]
                bars.append({"title": label, "rows": rows, "more": max(0, len(pairs) - 12)})
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{title}: {key}" if title else str(key), inner)

    for key, value in content.items():
        walk(str(key), value)
    return {"facts": facts, "bars": bars}  # fmt: skip


def as_pairs(value: Any) -> list[tuple[str, float]] | None:
    """A mapping of numbers, or a list of (name, number) or `{name, count}`, as pairs; None for anything else."""

    def is_number(x: Any) -> bool:
        return isinstance(x, (int, float)) and not isinstance(x, bool) and x == x

    if isinstance(value, dict) and value and all(is_number(n) for n in value.values()):
        return [(str(name).replace("_", " "), n) for name, n in value.items()]
    if isinstance(value, list) and value:
        pairs = []
        for item in value:
            inner = list(item.values()) if isinstance(item, dict) else item
            if not isinstance(inner, (list, tuple)) or len(inner) < 2 or not is_number(inner[1]):
                return None
            pairs.append((str(inner[0]), inner[1]))
        return pairs
    return None


def phase_times(folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    """How long each phase took, from its `provenance.json`."""
    seconds = {}
    for phase, folder in folders.items():
        provenance = read_json(folder / "provenance.json")
        if isinstance(provenance, dict) and isinstance(provenance.get("seconds"), (int, float)):
            seconds[PHASE_TITLES.get(phase, phase)] = float(provenance["seconds"])
    longest = max(seconds.values(), default=0.0)
    total = sum(seconds.values())
    rows = [
        {"name": name, "shown": duration(s), "width": round(100 * s / longest, 1) if longest else 0}
        for name, s in seconds.items()
    ]
    return [*rows, {"name": "Together", "shown": duration(total), "width": 0}] if len(rows) > 1 else rows


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
