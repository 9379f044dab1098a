"""What a paired comparison found, in words and as bars: differences with their intervals, and which question they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from silly_llm.core.pages import markdown
from silly_llm.evaluation.report.numbers import bar_between, labels_of, show

QUESTIONS = {
    "checkpoints": "Are these checkpoints different on this kind of text? The units are documents and requests, paired. Of the "
    "recipes that trained them nothing follows: another seed may turn it around.",
    "recipes": "Are these recipes different? The units are trainings with different seeds.",
}


def differences(results: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The comparisons by metric: the difference a - b with its interval and a bar on a scale around zero that all pairs share."""
    labels, found = labels_of(results["models"]), {}
    for name in dict.fromkeys(c["metric"] for c in results.get("comparisons") or ()):
        percent = name in labels and labels[name].percent
        pairs = [c for c in results["comparisons"] if c["metric"] == name]
        most = 1.1 * max((abs(c[end]) for c in pairs for end in ("low", "high") if c.get(end) is not None), default=0)
        found[name] = [
            {
                "a": c["a"],
                "b": c["b"],
                "value": signed(c.get("difference"), percent),
                "interval": f"{signed(c['low'], percent, '')} to {signed(c['high'], percent)}" if known(c) else "",
                "bar": bar_between(c["low"], c["difference"], c["high"], -most, most) if known(c) else None,
                "n": c.get("n", 0),
                "p": probability(c.get("p_holm")),
                "found": bool(c.get("better")),
                "verdict": c.get("verdict") or outcome(c),
            }
            for c in pairs
        ]
    return found


def summary(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each question and pair of models: in how many metrics it is better, worse, or shows no difference, and which."""
    labels = labels_of(results["models"])
    asked: dict[str, dict[tuple[str, str], dict[str, list[str]]]] = {}
    for c in results.get("comparisons") or ():
        name = labels[c["metric"]].name if c["metric"] in labels else c["metric"]
        kinds = asked.setdefault(c.get("question", ""), {}).setdefault((c["a"], c["b"]), {})
        kinds.setdefault(outcome(c), []).append(name)
    order = ("better", "worse", "no difference", "too few to say", "not compared")
    return [
        {
            "question": QUESTIONS.get(question, question),
            "pairs": [
                {"a": a, "b": b, "outcomes": [(k, kinds[k]) for k in order if k in kinds]}
                for (a, b), kinds in pairs.items()
            ],
        }
        for question, pairs in asked.items()
    ]


def outcome(row: Mapping[str, Any]) -> str:
    """What the first model is against the second: `better`, `worse`, `no difference`, or that nobody can say."""
    if row.get("better"):
        return "better" if row["better"] == row["a"] else "worse"
    return "not compared" if not known(row) else "too few to say" if row.get("p_holm") is None else "no difference"


def known(comparison: Mapping[str, Any]) -> bool:
    return all(comparison.get(key) is not None for key in ("difference", "low", "high"))


def signed(value: float | None, percent: bool, unit: str = " points") -> str:
    """A difference with its sign; of shares in percentage points; small ones with two digits that count."""
    if value is None:
        return ""
    if percent:
        return f"{100 * value:+.1f}{unit}".replace("-", "\u2212")
    text = f"{value:+.2g}" if 0 < abs(value) < 0.01 else f"+{show(value)}" if value >= 0 else show(value)
    return text.replace("-", "\u2212")


def probability(p: float | None) -> str:
    """Holm's p-value: `p < 0.001`, `p = 0.04`."""
    return "" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def differences_table(results: Mapping[str, Any]) -> str:
    """The differences as a Markdown table; empty where nothing was compared."""
    labels = labels_of(results["models"])
    rows = [
        [
            labels[name].name if name in labels else name,
            f"{d['a']} \u2212 {d['b']}",
            *(str(d[k]) for k in ("value", "interval", "p", "n", "verdict")),
        ]
        for name, pairs in differences(results).items()
        for d in pairs
    ]
    head = ["Metric", "Models", "Difference", "95 % interval", "p (Holm)", "n", "In words"]
    return markdown.table([head, *([markdown.inline(text) for text in row] for row in rows)], texts=2) if rows else ""
