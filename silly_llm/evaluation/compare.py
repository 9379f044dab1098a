"""Put the results of several evaluations side by side: a table with intervals, and whether they overlap.

Numbers compare only when they were measured on the same stories with the same settings; otherwise it refuses.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from silly_llm import __version__
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.output import open_tool_output
from silly_llm.core.launch import Parser, run_main
from silly_llm.core.lookup import home
from silly_llm.evaluation.report.numbers import labels_of, show
from silly_llm.evaluation.report.report import write_report
from silly_llm.evaluation.report.tables import best_of, metrics_table


def main(argv: list[str] | None = None, *, container: Container | None = None) -> None:
    options = parser().parse_args(sys.argv[1:] if argv is None else argv)
    evaluations = [read_results(Path(path)) for path in options.results]
    differences = disagreements(evaluations)
    if differences and not options.allow_different:
        raise RecipeError(
            f"the evaluations are not comparable: {differences[0]}; --allow_different compares them anyway"
        )
    merged = merge(evaluations, differences)
    print("\n".join([metrics_table(merged), *verdicts(merged["models"])]))
    if options.output_dir:
        folder = home(options.output_dir)
        with open_tool_output(folder, "compare"):
            write_report(merged, folder, title=options.title or f"{len(merged['models'])} models compared")
        print(f"\nReport: {folder / 'report.html'}")


def parser() -> Parser:
    made = Parser(
        prog="silly-llm compare",
        description="Set the results of several evaluations side by side.",
        epilog="Exit code 2: the evaluations differ in stories or settings, or a file is invalid.",
    )
    made.add_argument("results", nargs="+", metavar="RESULTS", help="results.json, or the evaluation's folder")
    made.add_argument("--output_dir", "--output-dir", help="also write results.json, report.html and report.md here")
    made.add_argument("--title", help="headline of the report")
    anyway = "compare even if stories or settings differ; the report says so"
    made.add_argument("--allow_different", "--allow-different", action="store_true", help=anyway)
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return made


def read_results(path: Path) -> dict[str, Any]:
    """The content of a `results.json`, with `path` added.

    Raises:
        RecipeError: there is none, or it is none.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{file}: no such file; `silly-llm evaluate` writes it") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{file}: is not JSON ({error})") from None
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, dict) or not all(isinstance(m, dict) and "metrics" in m for m in models.values()):
        raise RecipeError(f"{file}: holds no results of an evaluation (no models with metrics)")
    return content | {"path": str(path)}


def disagreements(evaluations: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the evaluations do not have in common, one line each. Where a dataset lies does not matter, its stories do."""

    def conditions(evaluation: Mapping[str, Any]) -> dict[str, Any]:
        dataset = evaluation.get("dataset") or {}
        return {"digest": dataset.get("digest"), "split": dataset.get("split"), **(evaluation.get("settings") or {})}

    mine, first = conditions(evaluations[0]), evaluations[0]["path"]
    found = []
    for theirs, other in ((conditions(e), e["path"]) for e in evaluations[1:]):
        for key in dict.fromkeys([*mine, *theirs]):
            here, there = mine.get(key), theirs.get(key)
            if key == "digest" and here != there:
                found.append(f"{other} was measured on different stories from {first}")
            elif key != "metrics" and here != there:
                found.append(f"{key} is {here!r} in {first}, {there!r} in {other}")
    return found


def merge(evaluations: Sequence[Mapping[str, Any]], differences: list[str]) -> dict[str, Any]:
    """One `results.json` of several; a name that stands in two of them gets its evaluation's folder before it."""
    names = [name for evaluation in evaluations for name in evaluation["models"]]
    models: dict[str, Any] = {}
    for evaluation in evaluations:
        path = Path(evaluation["path"]).resolve()
        folder = path.parent if path.is_file() else path
        folder = folder.parent if folder.name == "evaluation" else folder
        for name, model in evaluation["models"].items():
            given = label = name if names.count(name) == 1 else f"{folder.name}/{name}"
            number = 2
            while label in models:
                label, number = f"{given} ({number})", number + 1
            models[label] = {"samples": [], "details": {}} | model
    return {
        "models": models,
        "dataset": evaluations[0].get("dataset", {}),
        "settings": {} if differences else evaluations[0].get("settings", {}),
        "notes": [f"Not measured alike: {difference}." for difference in differences],
        "silly_llm": __version__,
    }


def verdicts(models: Mapping[str, Any]) -> list[str]:
    """For each metric with a better direction, whether the best model's interval overlaps the others'."""
    lines = []
    for name, label in labels_of(models).items():
        metrics = {model: results["metrics"].get(name) for model, results in models.items()}
        if not (found := best_of(metrics, label.higher_is_better)):
            continue
        best, overlapping = found
        value = show(metrics[best]["value"], label.percent)
        if overlapping:
            lines.append(f"{label.name}: no clear winner; {best} ({value}) overlaps with {', '.join(overlapping)}")
        else:
            lines.append(f"{label.name}: {best} is best ({value}); its interval overlaps with no other")
    return ["", *lines] if lines else []


if __name__ == "__main__":
    run_main(main)
