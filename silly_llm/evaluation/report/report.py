"""The report: everything an evaluation and the phases before it left behind, on one page to show to a friend.

`report.html` is one self-contained file: style and plots are inside, nothing is fetched. All text of models and datasets
is escaped, as HTML or as Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from silly_llm import __version__
from silly_llm.core.config import to_yaml
from silly_llm.core.console.duration import duration
from silly_llm.core.folders.files import write_text
from silly_llm.core.pages.plots import is_number, read_log, training_plots
from silly_llm.core.pages.render import write_page
from silly_llm.evaluation.evidence import read_generations
from silly_llm.evaluation.metrics.statistics import ALPHA, FEW
from silly_llm.evaluation.report.differences import differences, differences_table, summary
from silly_llm.evaluation.report.numbers import show
from silly_llm.evaluation.report.scores import published, score_plots
from silly_llm.evaluation.report.tables import cells_table, metrics_table, not_measured, overview, table
from silly_llm.evaluation.report.texts import browse, hero_story, opening_lists, sections

PHASE_TITLES = {
    "vocabulary": "Vocabulary",
    "stories": "Stories",
    "pretrain": "Pretraining",
    "instructions": "Instructions",
    "sft": "Instruction tuning",
}


def write_report(
    results: Mapping[str, Any],
    output: Path,
    *,
    title: str | None = None,
    folders: Mapping[str, str] | None = None,
    recipe: Mapping[str, Any] | None = None,
    generations: Iterable[Mapping[str, Any]] | None = None,
) -> None:
    """Write `results.json`, `report.html` and `report.md`.

    Args:
        results: What `results.json` holds.
        output: The folder to write to.
        title: Headline; default: made from the models' names.
        folders: Other phases' folders by phase (`stories`, `pretrain`, …); what is not there is left out.
        recipe: The resolved recipe of the evaluation itself, secrets masked.
        generations: Every text to browse, as rows of `generations.parquet`; default: those of that file in `output`.
    """
    write_text(output / "results.json", json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    texts = read_generations(output, results) if generations is None else generations
    context = report_context(results, title, folders or {}, recipe, texts)
    for name in ("report.html", "report.md"):
        write_page(output / name, context)


def report_context(
    results: Mapping[str, Any],
    title: str | None = None,
    folders: Mapping[str, str] | None = None,
    recipe: Mapping[str, Any] | None = None,
    generations: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Everything the templates show, in plain values."""
    models, dataset = results["models"], results.get("dataset", {})
    names, language = list(models), dataset.get("language") or "en"
    present = {phase: Path(folder) for phase, folder in (folders or {}).items() if folder and Path(folder).is_dir()}
    titled = {PHASE_TITLES.get(phase, phase): folder for phase, folder in present.items()}
    files = {name: folder / "recipe.yaml" for name, folder in titled.items()}
    recipes = {name: file.read_text(encoding="utf-8") for name, file in files.items() if file.is_file()}
    logs = {PHASE_TITLES[phase]: read_log(present[phase]) for phase in ("pretrain", "sft") if phase in present}
    return {
        "title": title or (" and ".join(names) if len(names) < 4 else f"{len(names)} models compared"),
        "version": __version__,
        "names": names,
        "models": models,
        "dataset": dataset,
        "settings": results.get("settings", {}),
        "notes": results.get("notes", []),
        "hero": hero_story(models, language),
        "tiles": overview(models),
        "groups": table(results),
        "plots": [Markup(svg) for svg in score_plots(results)],
        "published": published(results),
        "summary": summary(differences(results)),
        "not_measured": not_measured(models, results.get("notes", [])),
        "best": bool(results.get("best")),
        "few": FEW,
        "alpha": ALPHA,
        "environment": environment_facts(results.get("environment") or {}),
        "markdown_table": metrics_table(results, page=True),
        "differences_table": differences_table(differences(results)),
        "cells_table": cells_table,
        "reference": bool(dataset.get("reference")),
        "trainings": [
            {"title": name, "plots": [Markup(svg) for svg in training_plots(log)], "facts": training_facts(log)}
            for name, log in logs.items()
            if log
        ],
        "sections": sections(models, language),
        "browse": browse(generations, models),
        "openings": opening_lists(results),
        "statistics": statistics(present.get("stories")),
        "times": phase_times(titled),
        "recipes": recipes | ({"Evaluation": to_yaml(dict(recipe))} if recipe else {}),
    }


def bars(pairs: Sequence[tuple[str, float]], shown: Callable[[Any], str]) -> list[dict[str, Any]]:
    """Numbers with names as horizontal bars, as long as their share of the largest in percent."""
    most = max((n for _, n in pairs), default=0) or 1
    return [{"name": name, "shown": shown(n), "width": round(100 * n / most, 1)} for name, n in pairs]


def environment_facts(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the evaluation ran on, name and value: a nested mapping becomes one line."""
    return [
        (
            key.replace("_", " "),
            ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value),
        )
        for key, value in environment.items()
        if value
    ]


# Other phases ------------------------------------------------------------------------------------------


def training_facts(log: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The end of a training in a few numbers."""
    last = {key: value for row in log for key, value in row.items() if is_number(value)}
    shown = {"step": "steps", "tokens": "tokens", "seconds": "of training"}
    shown |= {"eval_loss": "held-out loss", "eval_bits_per_byte": "held-out bits per byte"}
    known = {key: duration(last[key]) if key == "seconds" else show(last[key]) for key in shown if key in last}
    return [(shown[key], value) for key, value in known.items()]


# where in statistics.json, and what the report calls it
FACTS = {
    "stories.kept": "stories kept",
    "stories.rejected": "rejected",
    "words_per_story.median": "words in the median story",
    "vocabulary.requested": "words of the vocabulary asked for",
    "sampled.words_included": "of the requested words included",
    "sampled.different_words": "different words in the first stories",
    "openings.different": "different openings",
    "tokens.completion": "tokens written",
}
BARS = {
    "words_per_story": "Words per story",
    "features_requested": "Features requested",
    "sampled.features_found": "Requested features found by rules",
    "sampled.distinct_n": "Distinct n-grams by n",
    "openings.most_common": "Most common openings",
    "rejected_by": "Rejected by",
    "templates": "Prompt templates",
    "models": "Written by",
}
BARS_SHOWN = 10


def statistics(folder: Path | None) -> dict[str, Any] | None:
    """What `statistics.json` of the stories says, of which any part may be missing: facts, and mappings as bars."""
    content = read_json(folder / "statistics.json") if folder else None
    if content is None:
        return None

    def find(path: str) -> Any:
        value: Any = content
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    found = {label: find(path) for path, label in FACTS.items()}
    drawn = []
    for path, label in BARS.items():
        pairs = [(name, n) for name, n in as_pairs(find(path)) if n]
        if pairs:
            percent = max(n for _, n in pairs) <= 1 and not all(isinstance(n, int) for _, n in pairs)
            rows = bars(pairs, partial(show, percent=True) if percent else "{:,.0f}".format)
            drawn.append({"title": label, "rows": rows[:BARS_SHOWN], "more": max(0, len(rows) - BARS_SHOWN)})
    facts = [(label, show(n, percent=isinstance(n, float) and n <= 1)) for label, n in found.items() if is_number(n)]
    return {"facts": facts, "bars": drawn}


def as_pairs(value: Any) -> list[tuple[str, float]]:
    """A mapping of numbers, or a list of (name, number), as pairs; what is neither is left out."""
    pairs = value.items() if isinstance(value, dict) else value if isinstance(value, list) else ()
    whole = [pair for pair in pairs if isinstance(pair, (list, tuple)) and len(pair) == 2]
    return [(str(name).replace("_", " "), n) for name, n in whole if is_number(n)]


def phase_times(folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    """How long each phase took, from its `provenance.json`."""
    facts = {name: read_json(folder / "provenance.json") for name, folder in folders.items()}
    seconds = [(name, found["seconds"]) for name, found in facts.items() if found and is_number(found.get("seconds"))]
    together = {"name": "Together", "shown": duration(sum(s for _, s in seconds)), "width": 0}
    return [*bars(seconds, duration), *([together] if len(seconds) > 1 else [])]


def read_json(file: Path) -> dict[str, Any] | None:
    """The object of a JSON file, `None` when it is not there or not whole."""
    with suppress(OSError, ValueError):
        content = json.loads(file.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else None
    return None
