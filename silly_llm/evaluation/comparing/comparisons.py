"""Which of several models is better, by how much: every pair on every metric that has a better direction.

All tests of one question are one family for Holm's correction, metrics and pairs alike, so that at most one evaluation in forty says of
anything at all that models differ where they do not; picking the best of several is covered by it too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from silly_llm.evaluation.comparing.paired import Difference, common, holm, paired, welch
from silly_llm.evaluation.metrics.base import PREDICTING, Label
from silly_llm.evaluation.metrics.statistics import ALPHA, Units, estimate
from silly_llm.evaluation.report.numbers import labels_of, show

LOSSY = 0.001
"""A tokenizer that cannot spell more of the bytes than this is not ranked by how well its model predicts them."""
Evidence = Mapping[tuple[str, str], Units]
"""The units by model and metric."""


def compare_models(
    models: Mapping[str, Any], evidence: Evidence, groups: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """`comparisons` and `best` of `results.json`.

    Args:
        models: As `results.json` has them.
        evidence: What they were measured on.
        groups: Models by recipe; default: what the models themselves say (`recipes_of`).

    Returns:
        `comparisons`: a row a metric and pair, `question` "checkpoints" for models and "recipes" for groups with at least two models
        each; `best`: the model that is better than each it was compared with, by metric, or `None`.
    """
    kept = {metric for _, metric in evidence}
    labels = {m: label for m, label in labels_of(models).items() if label.higher_is_better is not None and m in kept}
    groups = {name: members for name, members in (groups or recipes_of(models)).items() if len(members) > 1}
    families = []
    for question, names in (("checkpoints", list(models)), ("recipes", list(groups))):
        rows = []
        for metric, label in labels.items():
            for a, b in combinations(names, 2):
                sides = ([a], [b]) if question == "checkpoints" else (groups[a], groups[b])
                if all("value" in models[m]["metrics"].get(metric, {}) for side in sides for m in side):
                    found = difference(models, evidence, metric, label, *sides)
                    rows.append(({"metric": metric, "a": a, "b": b, "question": question}, label, found))
        families.append(rows)
    comparisons = [row for family in families for row in finished(family)]
    return {"comparisons": comparisons, "best": {m: best(models, comparisons, m) for m in labels}}


def difference(
    models: Mapping[str, Any], evidence: Evidence, metric: str, label: Label, side: Sequence[str], other: Sequence[str]
) -> Difference | str:
    """The difference of two models or, of several a side, of two recipes; or why there is none."""
    names = [*side, *other]
    held_out = label.group == PREDICTING
    for name in names:
        if held_out and (lossy := scoring(models[name], "lossy_share", metric)) > LOSSY:
            return f"the tokenizer of {name} cannot spell {show(float(lossy), True)} of the bytes"
    how = [models[name].get("measured_by", {}).get(metric) for name in names]
    if any(each != how[0] for each in how):
        return "measured with other options"
    if not all((name, metric) in evidence for name in names):
        return "no evidence was kept"
    units = [evidence[name, metric] for name in names]
    if len(names) == 2:
        found = paired(*units, equal=held_out)
    else:
        shared, left_out = common(units, equal=held_out)
        values = [estimate(each).value for each in shared]
        known = all(map(math.isfinite, values))
        found = replace(welch(values[: len(side)], values[len(side) :]), left_out=left_out) if known else None
    return found or ("no document of which the same bytes were scored" if held_out else "nothing that both were asked")


def finished(family: Sequence[tuple[dict[str, Any], Label, Difference | str]]) -> list[dict[str, Any]]:
    """The rows of a family of tests, corrected for their number, with their verdicts."""
    tested = [found for _, _, found in family if isinstance(found, Difference) and not found.few]
    corrected = dict(zip(map(id, tested), holm([found.p for found in tested]), strict=True))
    rows = []
    for row, label, found in family:
        if isinstance(found, str):
            numbers = dict.fromkeys(("difference", "low", "high", "p", "p_holm", "detectable"))
            rows.append({**row, **numbers, "n": 0, "better": None, "verdict": f"not compared: {found}"})
            continue
        p_holm, detectable = corrected.get(id(found)), found.detectable(len(tested) or 1)
        differ = p_holm is not None and p_holm < ALPHA
        better = (row["a"] if (found.value > 0) == label.higher_is_better else row["b"]) if differ else None
        if p_holm is None:
            verdict = f"too few to say (n = {found.n})"
        elif differ:
            verdict = f"{better} is better"
        else:
            seen = f"; one of {amount(detectable, label.percent)} would have been seen" if detectable else ": equal"
            verdict = f"no difference{seen}"
        numbers = {"difference": found.value, "low": found.low, "high": found.high, "p": found.p, "p_holm": p_holm}
        n = {"n": found.n, "left_out": found.left_out}
        rows.append({**row, **numbers, **n, "detectable": detectable, "better": better, "verdict": verdict})
    return rows


def amount(value: float, percent: bool) -> str:
    """A difference for people; of small ones two digits."""
    return show(value, percent) if percent or abs(value) >= 0.1 or not value else f"{value:.2g}"


def recipes_of(models: Mapping[str, Any]) -> dict[str, list[str]]:
    """Models by the recipe they say they were trained by: the group their entry names, else the digest of the recipe; of several with the same
    seed the first. A group without a name is called by its first model."""
    found: dict[str, dict[Any, str]] = {}
    for name, model in models.items():
        details = model.get("details", {})
        if given := details.get("group") or details.get("recipe_digest"):
            seed = details.get("seed")
            found.setdefault(str(given), {}).setdefault(name if seed is None else seed, name)
    named: dict[str, list[str]] = {}
    for given, members in found.items():
        mine = list(members.values())
        named[given if models[mine[0]]["details"].get("group") else f"recipe of {mine[0]}"] = mine
    return named


# Ranks ----------------------------------------------------------------------------------------------------------------


def wins_of(comparisons: Sequence[Mapping[str, Any]], metric: str) -> dict[tuple[str, str], bool | None]:
    """Of every ordered pair of models that was compared, whether the first is better by the tests; `None`: not compared."""
    found: dict[tuple[str, str], bool | None] = {}
    for row in comparisons:
        if row["metric"] == metric and row["question"] == "checkpoints":
            for one, other in ((row["a"], row["b"]), (row["b"], row["a"])):
                found[one, other] = row["better"] == one if row["n"] else None
    return found


def ranked(models: Mapping[str, Any], comparisons: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    """The models that the one with the most text scored (or, equally, with the most partners) was compared with, itself included."""
    pairs = {pair for pair, wins in wins_of(comparisons, metric).items() if wins is not None}
    partners = {name: {other for one, other in pairs if one == name} for name in models}
    most = max(
        models, key=lambda name: (bool(partners[name]), scoring(models[name], "bytes", metric), len(partners[name]))
    )
    return [name for name in models if partners[most] and name in partners[most] | {most}]


def scoring(model: Mapping[str, Any], key: str, metric: str) -> float:
    """A number about how held-out text was scored, by the details of a metric or else of bits per byte; 0 where nobody says.

    `bytes`, or `lossy_share`, of the bytes that its tokenizer cannot spell.
    """
    details = [model.get("details", {}).get(name) or {} for name in (metric, "bits_per_byte")]
    return next((found[key] for found in details if found.get(key)), 0)


def best(models: Mapping[str, Any], comparisons: Sequence[Mapping[str, Any]], metric: str) -> str | None:
    """The model that the tests call better than every other that is ranked."""
    wins, names = wins_of(comparisons, metric), ranked(models, comparisons, metric)
    first = [name for name in names if all(wins.get((name, other)) for other in names if other != name)]
    return first[0] if first else None


def leaderboard(results: Mapping[str, Any], metric: str | None = None) -> list[dict[str, Any]]:
    """The models from best to worst: `{"rank", "model", "metric"}` and the numbers of the metric.

    Its rank is 1 and how many are better by the tests, so that models without a difference from the best share its place; `None` for those
    that could not be compared, which stand last. Among equals, those whose whole text was scored stand first.

    Args:
        metric: Default: bits per byte, else the first with a better direction.
    """
    models, rows = results["models"], results["comparisons"]
    labels = {name: label for name, label in labels_of(models).items() if label.higher_is_better is not None}
    if not labels:
        return []
    metric = metric or ("bits_per_byte" if "bits_per_byte" in labels else next(iter(labels)))
    wins, names, sign = (
        wins_of(rows, metric),
        ranked(models, rows, metric),
        -1 if labels[metric].higher_is_better else 1,
    )
    most = max(scoring(model, "bytes", metric) for model in models.values())
    board = []
    for name, model in models.items():
        if (numbers := model["metrics"].get(metric)) and numbers["value"] is not None:
            rank = 1 + sum(bool(wins.get((other, name))) for other in names) if name in names else None
            cheap = scoring(model, "lossy_share", metric) > LOSSY, scoring(model, "bytes", metric) < 0.999 * most
            place = (rank or len(models) + 1, *cheap, sign * numbers["value"])
            board.append((place, {"rank": rank, "model": name, "metric": metric} | numbers))
    return [row for _, row in sorted(board, key=lambda entry: entry[0])]
