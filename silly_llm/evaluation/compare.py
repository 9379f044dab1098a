"""Put the results of several evaluations side by side: a leaderboard by paired tests, and what each metric says.

Everything is computed from the evidence beside `results.json`. Numbers compare only when they were measured on the same stories with the
same settings; otherwise it refuses.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from silly_llm import __version__
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.folders.output import open_tool_output
from silly_llm.core.launch import Parser, run_main
from silly_llm.core.lookup import home
from silly_llm.core.pages import markdown
from silly_llm.evaluation.comparing.comparisons import amount, compare_models, leaderboard, recipes_of
from silly_llm.evaluation.evidence import read_generations, units_as_json, write_evidence
from silly_llm.evaluation.metrics.base import Label
from silly_llm.evaluation.report.numbers import RULE, labels_of, show
from silly_llm.evaluation.report.report import write_report
from silly_llm.evaluation.results import VERSION, read_results

WIDTH = 100
"""Columns of what is printed."""
MANY = 3
"""Of more models only the pairs with the first are printed."""
ASKED = {
    "checkpoints": "Are these checkpoints different on this kind of text? (paired over documents and requests",
    "recipes": "Are these recipes different? (seeds as units, Welch's t",
}


def main(argv: list[str] | None = None, *, container: Container | None = None) -> None:
    options = parser().parse_args(sys.argv[1:] if argv is None else argv)
    read = [read_results(Path(path)) for path in options.results]
    evaluations = [results for results, _ in read]
    differences = disagreements(evaluations)
    if differences and not options.allow_different:
        raise RecipeError(
            f"the evaluations are not comparable: {differences[0]}; --allow_different compares them anyway"
        )
    merged, names = merge(evaluations, differences)
    evidence = {
        (names[i][model], metric): units for i, (_, kept) in enumerate(read) for (model, metric), units in kept.items()
    }
    groups = read_groups(options.group, merged["models"]) or recipes_of(merged["models"])
    merged |= compare_models(merged["models"], evidence, groups)
    print("\n".join(said(merged, groups)))
    if options.output_dir:
        folder = home(options.output_dir)
        rows = [(*key, units_as_json(units)) for key, units in evidence.items()]
        texts = [
            row | {"model": called[row["model"]]}
            for results, called in zip(evaluations, names, strict=True)
            for row in read_generations(results["folder"], results)
        ]
        with open_tool_output(folder, "compare"):
            merged["evidence"] = write_evidence(folder, rows, texts)
            write_report(merged, folder, title=options.title or f"{len(merged['models'])} models compared")
        print(f"\nReport: {folder / 'report.html'}")


def parser() -> Parser:
    made = Parser(
        prog="silly-llm compare",
        description="Say which of several models is better, by how much, from the results of evaluations.",
        epilog="Exit code 2: the evaluations differ in stories or settings, or a file is invalid or was edited.",
    )
    made.add_argument("results", nargs="+", metavar="RESULTS", help="results.json, or the evaluation's folder")
    made.add_argument("--output_dir", "--output-dir", help="also write results.json, report.html and report.md here")
    seeds = "models of one recipe, which differ by their seeds; repeat it for each recipe"
    made.add_argument("--group", action="append", default=[], metavar="NAME=MODEL,MODEL", help=seeds)
    made.add_argument("--title", help="headline of the report")
    anyway = "compare even if stories or settings differ; the report says so"
    made.add_argument("--allow_different", "--allow-different", action="store_true", help=anyway)
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return made


def disagreements(evaluations: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the evaluations do not have in common, one line each. Where a dataset lies does not matter, its stories do."""

    def conditions(evaluation: Mapping[str, Any]) -> dict[str, Any]:
        dataset = evaluation["dataset"]
        options = {f"{m}: {k}": v for m, how in measured_by(evaluation).items() for k, v in how.items()}
        settings = {key: value for key, value in evaluation["settings"].items() if key != "metrics"}
        return {"digest": dataset.get("digest"), "split": dataset.get("split"), **settings, **options}

    mine, first = conditions(evaluations[0]), evaluations[0]["path"]
    found = []
    for evaluation in evaluations[1:]:
        theirs, other = conditions(evaluation), evaluation["path"]
        both = measured_by(evaluation).keys() & measured_by(evaluations[0]).keys()
        for key in dict.fromkeys([*mine, *theirs]):
            here, there = mine.get(key), theirs.get(key)
            if key == "digest" and here != there:
                found.append(f"{other} was measured on different stories from {first}")
            elif here != there and (": " not in key or key.partition(": ")[0] in both):
                found.append(f"{key} is {here!r} in {first}, {there!r} in {other}")
    return found


def measured_by(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The options of each metric's provider."""
    return {
        metric: how for model in evaluation["models"].values() for metric, how in model.get("measured_by", {}).items()
    }


def merge(
    evaluations: Sequence[Mapping[str, Any]], differences: list[str]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """One `results.json` of several, and how it calls the models of each: a name that stands in two gets its evaluation's folder before it."""
    names = [name for evaluation in evaluations for name in evaluation["models"]]
    models: dict[str, Any] = {}
    called: list[dict[str, str]] = []
    for evaluation in evaluations:
        called.append({})
        folder = evaluation["folder"].resolve()
        folder = folder.parent if folder.name == "evaluation" else folder
        for name, model in evaluation["models"].items():
            given = label = name if names.count(name) == 1 else f"{folder.name}/{name}"
            number = 2
            while label in models:
                label, number = f"{given} ({number})", number + 1
            models[label] = {"samples": [], "details": {}} | model
            called[-1][name] = label
    notes = [note for evaluation in evaluations for note in evaluation.get("notes", [])]
    merged = {
        "silly_llm_results": VERSION,
        "models": models,
        "dataset": evaluations[0].get("dataset", {}),
        "settings": {} if differences else evaluations[0].get("settings", {}),
        "notes": [*(f"Not measured alike: {difference}." for difference in differences), *dict.fromkeys(notes)],
        "silly_llm": __version__,
    }
    return merged, called


def read_groups(given: Sequence[str], models: Mapping[str, Any]) -> dict[str, list[str]]:
    """What `--group` says; a RecipeError if it names a model that is not there, or a model twice."""
    groups: dict[str, list[str]] = {}
    for text in given:
        name, _, members = text.partition("=")
        groups[name] = [member for member in members.split(",") if member]
        if not name or len(set(groups[name])) < 2:
            raise RecipeError(f"--group: expected NAME=MODEL,MODEL with two models or more, got {text!r}")
        for member in groups[name]:
            if member not in models:
                raise RecipeError(f"--group: {name}: no model {member!r}{suggestion(member, models)}")
    named = [member for members in groups.values() for member in members]
    if twice := [member for member in named if named.count(member) > 1]:
        raise RecipeError(f"--group: {twice[0]!r} stands in two groups")
    return groups


# What is printed ------------------------------------------------------------------------------------------------------


def said(results: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The leaderboard, and for each question what the tests say, in lines of at most `WIDTH` columns."""
    models, comparisons = results["models"], results["comparisons"]
    labels = labels_of(models)
    lines = board(results, labels)
    first = {metric: found[0]["model"] for metric in results["best"] if (found := leaderboard(results, metric))}
    rows = {question: [r for r in comparisons if r["question"] == question] for question in ASKED}
    for question, found in rows.items():
        many = question == "checkpoints" and len(models) > MANY
        if found:
            tests = sum(row["p_holm"] is not None for row in found)
            lines += ["", *wrapped(f"{ASKED[question]}; Holm over {tests} tests; {RULE})")]
            shown = [r for r in found if not many or first.get(r["metric"]) in (r["a"], r["b"])]
            lines += [line for row in shown for line in verdict(row, labels[row["metric"]])]
            lines += many * wrapped("  Shown are the pairs with the first at each metric; --output_dir writes all.")
    if not rows["recipes"] and any(row["p_holm"] is not None for row in rows["checkpoints"]):
        differ = any(row["better"] for row in rows["checkpoints"])
        known = "These checkpoints differ; of the recipes" if differ else "Of the recipes"
        seeds = "several seeds a side would tell (--group NAME=MODEL,MODEL, or one recipe trained with other seeds)"
        lines += ["", *wrapped(f"{known} nothing is known: {seeds}.")]
    if untested := [
        m for m, label in labels.items() if label.higher_is_better is not None and m not in results["best"]
    ]:
        lines += wrapped(f"Not tested, since no evidence of it was kept: {', '.join(untested)}")
    several = {name: members for name, members in groups.items() if len(members) > 1}
    lines += [line for name, members in several.items() for line in wrapped(f"Recipe {name}: {', '.join(members)}")]
    return lines + [line for note in results["notes"] for line in wrapped(note)]


def board(results: Mapping[str, Any], labels: Mapping[str, Label]) -> list[str]:
    """The leaderboard as a table."""
    found = leaderboard(results)
    if not found:
        return ["No metric here has a better direction, so nothing is ranked."]
    label = labels[found[0]["metric"]]
    rows = [["rank", "model", label.name[:24], "95 % interval", "n"]]
    for row in found:
        ends = (
            "–" if row["low"] is None else f"{show(row['low'], label.percent)} to {show(row['high'], label.percent)}"
        )
        ends = "too few to say" if row.get("few") else ends
        rank = "–" if row["rank"] is None else str(row["rank"])
        rows.append([rank, short(row["model"], 34), show(row["value"], label.percent), ends, f"{row['n']:,}"])
    shared = "Rank: 1 and how many are better by the tests; –: not compared with the first."
    return [markdown.table(rows, 2), *wrapped(shared)]


def verdict(row: Mapping[str, Any], label: Label) -> list[str]:
    """What the test of a metric and pair says."""
    text = row["verdict"]
    if row["n"]:
        value, low, high = (amount(row[key], label.percent) for key in ("difference", "low", "high"))
        p = "" if row["p_holm"] is None else f"; p = {row['p_holm']:.2g}"
        left = f"; {row['left_out']:,} left out" if row.get("left_out") else ""
        text = f"{text} ({value}, {low} to {high}; n = {row['n']:,}{left}{p})"
    return wrapped(f"  {label.name}: {row['a']} against {row['b']}: {text}", "    ")


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """A text in lines of at most `WIDTH` columns."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def short(name: str, width: int) -> str:
    """A name of at most so many characters: of a longer one both ends."""
    line = markdown.one_line(name)
    return line if len(line) <= width else f"{line[: width // 2]}…{line[len(line) - (width - width // 2 - 1) :]}"


if __name__ == "__main__":
    run_main(main)
