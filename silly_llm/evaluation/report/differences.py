"""What a paired comparison found, in words and as bars: differences with their intervals, and which question they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from silly_llm.core.pages import markdown
from silly_llm.evaluation.report.numbers import RULE, bar_between, labels_of, show

QUESTIONS = {
    "checkpoints": "Are these checkpoints different on this kind of text? The units are documents and requests, paired. Of the "
    f"recipes that trained them nothing follows: another seed may turn it around. ({RULE})",
    "recipes": f"Are these recipes different? The units are trainings with different seeds. ({RULE})",
}
OUTCOMES = ("better", "worse", "no difference", "too few to say", "not compared")
"""What the first model of a pair is against the second."""


def differences(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The comparisons, each with its words and a bar on a scale around zero that all pairs of its metric share."""
    labels, rows = labels_of(results["models"]), results.get("comparisons") or []
    most: dict[str, float] = {}
    for row in rows:
        ends = (1.1 * abs(row[end] or 0) for end in ("low", "high"))
        most[row["metric"]] = max(most.get(row["metric"], 0), *ends)
    found = []
    for row in rows:
        label, p, scale = labels[row["metric"]], row["p_holm"], most[row["metric"]]
        percent, shown = label.percent, dict[str, Any](value="", interval="", bar=None)
        if row["better"]:
            outcome = "better" if row["better"] == row["a"] else "worse"
        else:
            outcome = next(outcome for outcome in OUTCOMES if row["verdict"].startswith(outcome))
        if row["difference"] is not None:
            interval = f"{signed(row['low'], percent, '')} to {signed(row['high'], percent)}"
            bar = bar_between(row["low"], row["difference"], row["high"], -scale, scale)
            shown = {"value": signed(row["difference"], percent), "interval": interval, "bar": bar}
        said = "" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
        found.append({**row, **shown, "name": label.name, "p": said, "outcome": outcome, "found": bool(row["better"])})
    return found


def signed(value: float, percent: bool, unit: str = " points") -> str:
    """A difference with its sign; of shares in percentage points; small ones with two digits that count."""
    small = 0 < abs(value) < 0.01
    text = f"{100 * value:+.1f}{unit}" if percent else f"{value:+.2g}" if small else "+" * (value >= 0) + show(value)
    return text.replace("-", "\u2212")


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each question and pair of models: the metrics in which the first is better or worse, or shows no difference."""
    asked: dict[str, dict[tuple[str, str], dict[str, list[str]]]] = {}
    for row in rows:
        pair = asked.setdefault(row["question"], {}).setdefault((row["a"], row["b"]), {})
        pair.setdefault(row["outcome"], []).append(row["name"])
    return [
        {
            "question": QUESTIONS[question],
            "pairs": [
                {"a": a, "b": b, "outcomes": [(o, found[o]) for o in OUTCOMES if o in found]}
                for (a, b), found in pairs.items()
            ],
        }
        for question, pairs in asked.items()
    ]


def differences_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The differences as a Markdown table; empty where nothing was compared."""
    head = ["Metric", "Models", "Difference", "95 % interval", "p (Holm)", "n", "In words"]
    lines = [
        [r["name"], f"{r['a']} \u2212 {r['b']}", *(r[key] for key in ("value", "interval", "p", "n", "verdict"))]
        for r in rows
    ]
    return markdown.table([head, *(list(map(markdown.inline, line)) for line in lines)], texts=2) if rows else ""
