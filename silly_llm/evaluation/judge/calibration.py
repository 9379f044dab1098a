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


@dataclass(frozen=True)
class Calibration:
    """What a judge said of the pairs.

    Args:
        verdicts: by the work's id.
        threshold: the mean grade from which a story is accepted; `None`: the one that separates the first half of the stories
            best, and only the others are used to say how well.
    """

    pairs: Sequence[Pair]
    verdicts: Mapping[str, Verdict]
    threshold: float | None = None

    def score(self, work: Work) -> float | None:
        """The mean grade of a work; `None` without a readable verdict."""
        verdict = self.verdicts[work.id]
        return verdict.mean if verdict.grades else None

    def scores(self) -> list[tuple[str, float, float]]:
        """Names and mean grades of original and damaged story, of the hard pairs whose verdicts both can be read."""
        found = ((p.name, self.score(p.original), self.score(p.damaged)) for p in self.pairs if p.kind in HARD)
        return [(name, a, b) for name, a, b in found if a is not None and b is not None]

    def accepts(self) -> tuple[float, list[tuple[str, bool, bool]]]:
        """The threshold, and which originals and hard damaged copies reach it, of stories that did not choose it."""
        scores, threshold = self.scores(), self.threshold
        if threshold is None:
            chosen, scores = scores[::2], scores[1::2]
            steps = sorted({score for _, *both in chosen for score in both}) or [math.inf]
            threshold = max(steps, key=lambda t: sum((a >= t) - (b >= t) for _, a, b in chosen))
        return threshold, [(name, a >= threshold, b >= threshold) for name, a, b in scores]

    def state(self) -> tuple[str, str]:
        """`calibrated`, `uncalibrated` or `cannot tell`, and a sentence that says why."""
        told, accepted = self.told(self.score, hard=True), self.accepts()[1]
        n = len(told.ids)
        if n < FEW or len(accepted) < 2:
            return (
                "cannot tell",
                f"only {n} pairs of a held-out story and its hard damaged copy have verdicts that can be read",
            )
        share = sum(told.numerators) / n
        low = around(*_mean([a - b for _, a, b in accepted]), len(accepted))[0]  # of q0 + q1 - 1
        what = f"grades a held-out story above its hard damaged copy in {share:.0%} of {n} pairs"
        if low <= 0:
            return (
                "cannot tell",
                f"{what}, and accepts one no oftener than the other, as far as {len(accepted)} pairs show",
            )
        return ("calibrated" if share >= LEAST else "uncalibrated"), f"{what}; {LEAST:.0%} are asked"

    def told(self, score: Callable[[Work], float | None], *, hard: bool) -> Units:
        """For each pair, 1 where the score prefers the original, ½ where it is equal; pairs without both scores are left out."""
        found = [(p.name, score(p.original), score(p.damaged)) for p in self.pairs if (p.kind in HARD) is hard]
        known = [(name, a, b) for name, a, b in found if a is not None and b is not None]
        return Units([name for name, *_ in known], [0.5 + 0.5 * float(np.sign(a - b)) for _, a, b in known])

    def baseline(self, likelihood: Callable[[Work], float]) -> dict[str, Metric]:
        """How often the likelihood of the model's own prefers the original."""
        return {
            f"judge_likelihood_tells_{how}": estimate(
                self.told(likelihood, hard=how == "hard"),
                label=Label(
                    f"{how.capitalize()} damage: likelihood",
                    JUDGED,
                    "originals preferred by the model itself",
                    percent=True,
                ),
                share=True,
            )
            for how in ("hard", "easy")
        }

    def metrics(self, judge: str) -> dict[str, Metric]:
        """How often the judge tells the damaged copy, and its sensitivity and specificity on hard ones."""
        made: dict[str, Metric] = {}
        for how, kinds in (("hard", HARD), ("easy", EASY)):
            units = self.told(self.score, hard=how == "hard")
            told = dict(zip(units.ids, units.numerators, strict=True))
            by_kind = {
                kind: {
                    "pairs": len(mine),
                    "readable": sum(n in told for n in mine),
                    "told": sum(told.get(n, 0) for n in mine),
                }
                for kind in kinds
                for mine in [[p.name for p in self.pairs if p.kind == kind]]
            }
            label = Label(
                f"{how.capitalize()} damage: judge", JUDGED, f"held-out stories preferred by {judge}", percent=True
            )
            made[f"judge_tells_{how}"] = estimate(units, label=label, share=True, by_kind=by_kind)
        threshold, accepted = self.accepts()
        ids = [name for name, *_ in accepted]
        for name, flags, what in (
            ("sensitivity", [a for _, a, _ in accepted], "held-out stories accepted"),
            ("specificity", [not b for *_, b in accepted], "hard damaged copies refused"),
        ):
            label = Label(f"Judge's {name}", JUDGED, what, percent=True)
            made[f"judge_{name}"] = estimate(
                Units(ids, [float(flag) for flag in flags]), label=label, share=True, threshold=threshold
            )
        return made


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


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    array = np.asarray(values, float)
    return float(array.mean()), float(array.std(ddof=1) / math.sqrt(len(array)))
