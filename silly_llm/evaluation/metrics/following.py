"""Whether a model does what an instruction says: by type, by combination of types, and in combinations that it never saw."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import (
    FOLLOWING,
    EvaluationData,
    EvaluationProvider,
    Label,
    Metric,
    StoryRequest,
    Units,
    estimate,
)
from silly_llm.evaluation.metrics.stories import ask
from silly_llm.text.features import detect_features, features_known
from silly_llm.text.languages import ENGLISH
from silly_llm.text.verifiers import Held, verify

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import LanguageModel

COMPLETELY = Label("Instructions followed completely", FOLLOWING, "all that rules can check in a request", True, True)
OF_TYPE = {
    "words": Label("Requested words included", FOLLOWING, "inflected forms count", True, True),
    "sentence": Label("Requested sentence included", FOLLOWING, "verbatim, and not as the first", True, True),
    "features": Label("Requested features found", FOLLOWING, "by rules, which can err", True, True),
}
"""Of other types the name says it."""
UNASKED = Label("Features found unasked", FOLLOWING, "of those that a request does not name", percent=True)
ADDED = Label("Features that asking adds", FOLLOWING, "share found when asked less share found unasked", True)


@dataclass(frozen=True)
class Answer:
    """A story and what was asked for."""

    name: str
    """Of the request, in the evidence."""
    request: StoryRequest
    held: Mapping[str, Held]
    """By type, as far as anything can be checked."""
    features: frozenset[str]
    """All that the rules find, asked or not."""


@register("evaluation_provider", "instruction_following")
class InstructionFollowing(EvaluationProvider):
    """Share of what instructions ask for that the stories have: words, the sentence, features, and all that has a verifier.

    A tuned model is asked through its chat template; a base model, which has not learned to follow anything, with the
    same instruction as plain text: its share is what chance gives. Requests of the split `held_out` of an instruction dataset
    (combinations of types that training never had) are reported apart, as `…_unseen`.
    """

    def __init__(self, settings: EvaluationArguments) -> None:
        self.settings = settings

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        settings = self.settings
        asked_by = "the chat template" if model.is_chat else "plain text (a base model: chance level)"
        metrics: dict[str, Metric] = {}
        for kind, ids, requests in (("", data.request_ids, data.requests), ("unseen", data.unseen_ids, data.unseen)):
            # A tuned model has already answered all of the first for `completions`; a base model is asked only what counts.
            asked = [(i, r) for i, r in zip(ids, requests, strict=True) if r.wanted or (model.is_chat and not kind)]
            made = model.generate([ask(model, r) for _, r in asked], settings.sampling, settings.seed)
            answers = [(name, generation.text, r) for (name, r), generation in zip(asked, made, strict=True)]
            metrics |= following(answers, data.language, kind, asked_by=asked_by)
        return metrics


def following(
    answers: Sequence[tuple[str, str, StoryRequest]], language: str = ENGLISH, kind: str = "", **details: Any
) -> dict[str, Metric]:
    """Shares of what was asked for that stories have, as far as any is asked for.

    Args:
        answers: name of the request, the story, and the request.
        kind: Goes behind the names of the metrics: `unseen`.

    Returns:
        `words_included`, `sentence_included`, `features_included`, and `TYPE_followed` for other types; `features_unasked`, and
        `features_added`, the share found when asked less the share found unasked; `followed_completely`, with `by_combination` of
        types in its details. `by_feature` has what was found asked and unasked, each with its interval.
    """
    known = features_known(language)
    checked = [
        Answer(name, r, held, frozenset(detect_features(text, known)))
        for name, text, r in answers
        if (held := verify(text, r.wanted, language))
    ]
    made: dict[str, Metric] = {}
    for asked in sorted({name for answer in checked for name in answer.held}):
        rows = [(a.name, *a.held[asked]) for a in checked if asked in a.held]
        label = OF_TYPE.get(asked) or Label(f"Followed: {asked.replace('_', ' ')}", FOLLOWING, "", True, True)
        more = {"by_feature": by_feature(checked, known)} if asked == "features" else {}
        name = f"{asked}_included" if asked in OF_TYPE else f"{asked}_followed"
        made[name] = estimate(_units(rows), label=label, share=True, **details, **more)
    made |= unasked(checked, known)
    completely = [(a.name, int(all(a.held.values())), 1) for a in checked]
    combinations: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for a, row in zip(checked, completely, strict=True):
        combinations[a.request.combination].append(row)
    by_combination = {key: _numbers(rows) for key, rows in sorted(combinations.items())}
    about: dict[str, Any] = {"label": COMPLETELY, "share": True, "by_combination": by_combination}
    made["followed_completely"] = estimate(_units(completely), **about)
    if kind:
        made = {
            f"{name}_{kind}": replace(m, label=replace(m.label, name=f"{m.label.name}, {kind} combinations"))
            for name, m in made.items()
            if m.label
        }
    return {name: metric for name, metric in made.items() if metric.n}


def by_feature(answers: Sequence[Answer], known: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each feature, how often it was found where it was asked for and where only others were, and the difference with its interval.

    The interval of the difference is Newcombe's (1998, method 10) of the two Wilson intervals.
    """
    table: dict[str, dict[str, Any]] = {}
    for feature in known:
        rows: dict[bool, list[tuple[str, int, int]]] = {True: [], False: []}
        for a in answers:
            if "features" in a.held:
                rows[feature in a.request.features].append((a.name, feature in a.features, 1))
        p, u = _numbers(rows[True]), _numbers(rows[False])
        table[feature] = {
            "asked": len(rows[True]),
            "found": sum(found for _, found, _ in rows[True]),
            "not_asked": len(rows[False]),
            "found_although_not_asked": sum(found for _, found, _ in rows[False]),
            "share_asked": p,
            "share_not_asked": u,
        }
        if p["low"] is not None and u["low"] is not None:
            difference = p["value"] - u["value"]
            low = difference - math.hypot(p["value"] - p["low"], u["high"] - u["value"])
            high = difference + math.hypot(p["high"] - p["value"], u["value"] - u["low"])
            table[feature]["difference"] = {"value": difference, "low": low, "high": high}
    return table


def unasked(answers: Sequence[Answer], known: Sequence[str]) -> dict[str, Metric]:
    """`features_unasked` and `features_added`, over the requests that name features.

    The latter is the mean, over all features asked for, of 1 if found less the share of other requests' stories that have the feature
    too; one that every request asks for does not count. A story left out changes those shares, which `lost` counts.
    """
    rows = [(a.name, a.features, frozenset(a.request.features) & set(known)) for a in answers if "features" in a.held]
    there = [(name, len(found - asked), len(known) - len(asked)) for name, found, asked in rows]
    made = {"features_unasked": estimate(_units(there), label=UNASKED, share=True)}

    found_asked = Counter(f for _, found, asked in rows for f in found & asked)
    found_else = Counter(f for _, found, asked in rows for f in found - asked)
    asked_times = Counter(f for *_, asked in rows for f in asked)
    compared = [f for f in known if asked_times[f] < len(rows)]

    nothing: frozenset[str] = frozenset()

    def total(found: frozenset[str], asked: frozenset[str], rest: int) -> float:
        """The sum over `rest` answers: all, or those without one that has these features."""
        sums = 0.0
        for f in compared:
            times = asked_times[f] - (f in asked)
            base = (found_else[f] - (f in found - asked)) / (rest - times) if rest > times else 0.0
            sums += found_asked[f] - (f in found & asked) - times * base
        return sums

    whole, names, numbers, counts, lost = total(nothing, nothing, len(rows)), [], [], [], []
    for name, found, asked in rows:
        names.append(name)
        of_these = [f for f in compared if f in asked]
        numbers.append(sum((f in found) - found_else[f] / (len(rows) - asked_times[f]) for f in of_these))
        counts.append(len(of_these))
        lost.append(whole - total(found, asked, len(rows) - 1))
    return made | {"features_added": estimate(Units(names, numbers, counts, lost=lost), label=ADDED)}


def _units(rows: Sequence[tuple[str, int, int]]) -> Units:
    """Of (name, found, asked); those that ask for nothing are left out."""
    kept = [row for row in rows if row[2]]
    return Units([name for name, *_ in kept], [float(found) for _, found, _ in kept], [asked for *_, asked in kept])


def _numbers(rows: Sequence[tuple[str, int, int]]) -> dict[str, Any]:
    return estimate(_units(rows), share=True).as_json()
