"""The report: everything an evaluation and the phases before it left behind, as one page to show to a friend.

`report.html` is one self-contained file: style and plots are inside, nothing is fetched. All text of models and datasets
is escaped, as HTML or as Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from silly_llm import __version__
from silly_llm.core.console.duration import duration
from silly_llm.core.pages.plots import read_log, training_plots
from silly_llm.core.pages.render import write_page
from silly_llm.evaluation.report.tables import headline, show, table, tiles
from silly_llm.evaluation.report.texts import feature_rows, hero_story, opening_lists, samples

PHASE_TITLES = {
    "vocabulary": "Vocabulary",
    "stories": "Stories",
    "pretrain": "Pretraining",
    "instructions": "Instructions",
    "sft": "Instruction tuning",
    "evaluation": "Evaluation",
}


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
    context = report_context(results, folders, title, recipe)
    for name in ("report.html", "report.md"):
        write_page(output / name, context)


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
    recipes = {PHASE_TITLES.get(phase, phase): read_text(folder / "recipe.yaml") for phase, folder in present.items()}
    if recipe:
        from silly_llm.core.config import to_yaml

        recipes["Evaluation"] = to_yaml(dict(recipe))
    language = results.get("dataset", {}).get("language") or "en"
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
        "hero": hero_story(models, language),
        "tiles": tiles(models),
        "groups": table(results),
        "reference": bool(results.get("dataset", {}).get("reference")),
        "trainings": [
            {"title": PHASE_TITLES[phase], "plots": [Markup(svg) for svg in training_plots(log)], "facts": training_facts(log)}
            for phase, log in logs.items()
            if log
        ],
        "beginnings": samples(models, "beginning", language),
        "instructions": samples(models, "instruction", language),
        "openings": opening_lists(results),
        "features": feature_rows(models),
        "statistics": statistics(present.get("stories")),
        "times": phase_times(present),
        "recipes": {name: text for name, text in recipes.items() if text},
    }  # fmt: skip


# Other phases ------------------------------------------------------------------------------------------


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


# where in statistics.json, and what the report calls it
FACTS = (
    ("stories.kept", "stories kept"),
    ("stories.rejected", "rejected"),
    ("words_per_story.median", "words in the median story"),
    ("vocabulary.requested", "words of the vocabulary asked for"),
    ("sampled.words_included", "of the requested words included"),
    ("sampled.different_words", "different words in the first stories"),
    ("openings.different", "different openings"),
    ("tokens.completion", "tokens written"),
)
BARS = (
    ("words_per_story", "Words per story"),
    ("features_requested", "Features requested"),
    ("sampled.features_found", "Requested features found by rules"),
    ("sampled.distinct_n", "Distinct n-grams by n"),
    ("openings.most_common", "Most common openings"),
    ("rejected_by", "Rejected by"),
    ("templates", "Prompt templates"),
    ("models", "Written by"),
)


def statistics(folder: Path | None) -> dict[str, Any] | None:
    """What `statistics.json` of the stories says, of which any part may be missing: facts, and mappings as bars."""
    content = read_json(folder / "statistics.json") if folder else None
    if not isinstance(content, dict):
        return None

    def find(path: str) -> Any:
        value: Any = content
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    facts = [
        (label, f"{value:,}" if isinstance(value, int) else show(value, percent=value <= 1))
        for path, label in FACTS
        if isinstance(value := find(path), (int, float)) and not isinstance(value, bool)
    ]
    bars = []
    for path, label in BARS:
        pairs = [(name, n) for name, n in as_pairs(find(path)) if n]
        if pairs:
            most = max(n for _, n in pairs)
            whole = most > 1 or all(isinstance(n, int) for _, n in pairs)
            rows = [
                {
                    "name": name,
                    "shown": f"{n:,.0f}" if whole else show(n, percent=True),
                    "width": round(100 * n / most, 1),
                }
                for name, n in pairs[:10]
            ]
            bars.append({"title": label, "rows": rows, "more": max(0, len(pairs) - 10)})
    return {"facts": facts, "bars": bars}


def as_pairs(value: Any) -> list[tuple[str, float]]:
    """A mapping of numbers, or a list of (name, number), as pairs; what is neither is left out."""
    pairs = value.items() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [
        (str(pair[0]).replace("_", " "), pair[1])
        for pair in pairs
        if isinstance(pair, (list, tuple))
        and len(pair) == 2
        and isinstance(pair[1], (int, float))
        and not isinstance(pair[1], bool)
    ]


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
