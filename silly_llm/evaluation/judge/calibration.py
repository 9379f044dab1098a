"""How far a judge can be believed: what it says of held-out stories and of their damaged copies, and what follows for its estimates.

Whether a damage is hard was measured: a model of 260K parameters tells shuffled sentences, swapped names and broken grammar from the
original by likelihood alone, always, and so they test no judge. A judge is calibrated if it grades the original above
its hard damaged copy in at least `LEAST` of the pairs. The share of stories that it accepts is corrected by its sensitivity and specificity (Rogan & Gladen, 1978;
for judges arXiv 2511.21140).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from silly_llm.evaluation.judge.asking import Verdict
from silly_llm.evaluation.judge.rubric import Work
from silly_llm.evaluation.metrics.base import JUDGED, EvaluationData, Label, Metric, Units, estimate
from silly_llm.evaluation.metrics.statistics import FEW, around
from silly_llm.text.damage import ANY_LANGUAGE, DAMAGES
from silly_llm.text.languages import ENGLISH
from silly_llm.text.words import count_words, first_words

HARD = ("second_half_exchanged", "truncated", "ending_exchanged", "hero_replaced")
EASY = ("sentences_shuffled", "names_swapped", "grammar_broken", "glued")
LEAST = 0.9
"""Share of hard pairs that a calibrated judge tells apart."""
SHORTEST, BEGINNING = 60, 0.25
"""Words of a story that is damaged, and the share of them that stands as its beginning, untouched."""
Z = 1.959963984540054


class Pair(NamedTuple):
    """A held-out story and a damaged copy, as works to judge."""

    name: str
    kind: str
    original: Work
    damaged: Work


def damaged_pairs(data: EvaluationData, count: int, seed: int, instructed: bool) -> list[Pair]:
    """A hard and an easy pair of each of up to `count` held-out stories, the kinds in turn; a story that allows no damage gives none.

    Only what follows the first quarter of the words is damaged; the quarter is the beginning, or the instruction asks for it.
    """
    rng = random.Random(f"calibration {seed}")
    pairs: list[Pair] = []
    used = 0
    for index in rng.sample(range(len(data.texts)), len(data.texts)):
        text = data.texts[index].strip()
        if used == count:
            break
        if count_words(text) < SHORTEST:
            continue
        beginning = first_words(text, round(BEGINNING * len(text.split()))) or text[: round(BEGINNING * len(text))]
        others = [data.texts[rng.randrange(len(data.texts))] for _ in range(8)]
        name = data.document_ids[index]
        for kinds in (HARD, EASY):
            known = [kind for kind in kinds if data.language == ENGLISH or kind in ANY_LANGUAGE]
            for turn in range(len(known)):
                kind = known[(used + turn) % len(known)]
                if damaged := DAMAGES[kind](text[len(beginning) :], rng, others):
                    works = (as_work(name, beginning, rest, instructed) for rest in (text[len(beginning) :], damaged))
                    pairs.append(Pair(name, kind, *works))
                    break
        used += any(pair.name == name for pair in pairs[-2:])
    return pairs


def as_work(name: str, beginning: str, rest: str, instructed: bool) -> Work:
    """A story as the work of a student."""
    if not instructed:
        return Work(name, {"beginning": beginning, "completion": rest})
    return Work(name, {"instruction": f"Write a story. Begin it with: {beginning}", "story": beginning + rest})


@dataclass
class Calibration:
    """What a judge said of the pairs; verdicts are by the work's id."""

    pairs: Sequence[Pair]
    verdicts: Mapping[str, Verdict]

    def grade(self, work: Work) -> float | None:
        """The mean grade of a work; `None` without a readable verdict."""
        verdict = self.verdicts[work.id]
        return verdict.mean if verdict.grades else None

    def scored(self, kinds: Sequence[str], score: Callable[[Work], float | None]) -> list[tuple[Pair, float, float]]:
        """The pairs of these kinds whose original and damaged story both have a score, with the scores."""
        found = ((pair, score(pair.original), score(pair.damaged)) for pair in self.pairs if pair.kind in kinds)
        return [(pair, a, b) for pair, a, b in found if a is not None and b is not None]

    @cached_property
    def accepted(self) -> tuple[float, list[tuple[str, bool, bool]]]:
        """The mean grade that separates the hard pairs of the first half of the stories best; of the others by name, whether original and
        damaged story reach it."""
        scored = self.scored(HARD, self.grade)
        chosen = [scores for _, *scores in scored[::2]]
        steps = sorted({score for scores in chosen for score in scores}) or [math.inf]
        threshold = max(steps, key=lambda t: sum((a >= t) - (b >= t) for a, b in chosen))
        return threshold, [(pair.name, a >= threshold, b >= threshold) for pair, a, b in scored[1::2]]

    def state(self) -> tuple[str, str]:
        """`calibrated`, `uncalibrated` or `cannot tell`, and a sentence that says why."""
        told, (_, accepted) = told_apart(self.scored(HARD, self.grade)), self.accepted
        n, m = len(told), len(accepted)
        if n < FEW or m < 2:
            why = f"only {n} pairs of a held-out story and its hard damaged copy have verdicts that can be read"
            return "cannot tell", why
        share, power = sum(told.numerators) / n, [a - b for _, a, b in accepted]  # power: q0 + q1 - 1
        what = f"grades a held-out story above its hard damaged copy in {share:.0%} of {n} pairs"
        error = float(np.std(power, ddof=1) / math.sqrt(m))
        if around(float(np.mean(power)), error, m)[0] <= 0:
            return "cannot tell", f"{what}, and accepts one no oftener than the other, as far as {m} pairs show"
        return ("calibrated" if share >= LEAST else "uncalibrated"), f"{what}; {LEAST:.0%} are asked"

    def metrics(self, judge: str, likelihood: Callable[[Work], float] | None) -> dict[str, Metric]:
        """How often the judge, and a `likelihood`, prefer the original; the judge's sensitivity and specificity on hard damage."""
        made: dict[str, Metric] = {}
        for how, kinds in (("hard", HARD), ("easy", EASY)):
            scored = self.scored(kinds, self.grade)
            by_kind = {}
            for kind in kinds:
                told = told_apart([row for row in scored if row[0].kind == kind]).numerators
                pairs = sum(pair.kind == kind for pair in self.pairs)
                by_kind[kind] = {"pairs": pairs, "readable": len(told), "told": sum(told)}
            name, note = f"{how.capitalize()} damage", "preferred by"
            label = Label(f"{name}: judge", JUDGED, f"held-out stories {note} {judge}", percent=True)
            made[f"judge_tells_{how}"] = estimate(told_apart(scored), label=label, share=True, by_kind=by_kind)
            if likelihood:
                label = Label(f"{name}: likelihood", JUDGED, f"originals {note} the model itself", percent=True)
                baseline = told_apart(self.scored(kinds, likelihood))
                made[f"judge_likelihood_tells_{how}"] = estimate(baseline, label=label, share=True)
        threshold, accepted = self.accepted
        ids = [name for name, *_ in accepted]
        for name, right, what in (
            ("sensitivity", [float(a) for _, a, _ in accepted], "held-out stories accepted"),
            ("specificity", [float(not b) for *_, b in accepted], "hard damaged copies refused"),
        ):
            label = Label(f"Judge's {name}", JUDGED, what, percent=True)
            made[f"judge_{name}"] = estimate(Units(ids, right), label=label, share=True, threshold=threshold)
        return made


def told_apart(scored: Sequence[tuple[Pair, float, float]]) -> Units:
    """For each pair, 1 where the score prefers the original, ½ where it is equal."""
    return Units([p.name for p, *_ in scored], [0.5 + 0.5 * float(np.sign(a - b)) for _, a, b in scored])


def corrected(p: float, n: float, accepted: Sequence[tuple[bool, bool]]) -> tuple[float, float, float]:
    """The share of good stories when a judge with errors accepts a share `p`, and its 95 % interval.

    θ = (p + q0 − 1) / (q0 + q1 − 1) (Rogan & Gladen, 1978); the interval of Lang & Reiczigel (2014), as arXiv 2511.21140 has it, with
    the uncertainty of both samples. The same stories give q1 and q0, so their covariance counts as well.

    Args:
        n: the number of independent stories that `p` is worth.
        accepted: of each calibration story, whether the original and the damaged copy were accepted.

    Returns:
        θ, low and high, within [0, 1]; not numbers where the judge accepts the damaged copies as often.
    """
    good, bad = (np.array(column, float) for column in zip(*accepted, strict=True))
    m = len(good)
    if good.mean() <= bad.mean():
        return math.nan, math.nan, math.nan
    value = (p - bad.mean()) / (good.mean() - bad.mean())
    n, p = n + Z**2, (n * p + Z**2 / 2) / (n + Z**2)
    q1, q0 = (good.sum() + 1) / (m + 2), (m - bad.sum() + 1) / (m + 2)
    power = q0 + q1 - 1
    theta = (p + q0 - 1) / power
    v0, v1, both = q0 * (1 - q0) / (m + 2), q1 * (1 - q1) / (m + 2), -float(np.cov(good, bad)[0, 1]) / (m + 2)
    center = theta + 2 * Z**2 * (theta * v1 - (1 - theta) * v0)
    variance = p * (1 - p) / n + (1 - theta) ** 2 * v0 + theta**2 * v1 - 2 * theta * (1 - theta) * both
    half = Z * math.sqrt(max(0.0, variance)) / power
    inside = np.clip([value, min(center - half, value), max(center + half, value)], 0, 1)
    return float(inside[0]), float(inside[1]), float(inside[2])
