"""Stories of two models side by side: who wins, whether the order matters, and a strength for each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from silly_llm.evaluation.judge.asking import Verdict
from silly_llm.evaluation.metrics.base import JUDGED, Label, Metric, Units, estimate

RESAMPLES = 500
WINS = Label("Wins against the others", JUDGED, "share of comparisons, ties count half", True, True)


class Shown(NamedTuple):
    """A prompt and two models, in the order in which the judge sees their stories."""

    prompt: str
    first: str
    second: str


def wins(
    shown: Sequence[Shown], verdicts: Sequence[Verdict], models: Sequence[str], seed: int, judge: str
) -> dict[str, dict[str, Metric]]:
    """The share of comparisons that each model wins, and its Bradley-Terry strength, by name.

    The strength is a log-odds, 0 on average over the models; its interval is a bootstrap over prompts. In the details: in how many
    pairs of orders the verdict is the same.
    """
    score = {"1": 1.0, "2": 0.0, "tie": 0.5}
    found = {where: score[v.grades["better"]] for where, v in zip(shown, verdicts, strict=True) if v.grades}
    both = [(s, other) for s in found if s.first < s.second and (other := Shown(s.prompt, s.second, s.first)) in found]
    agree = [float(found[s] == 1 - found[other]) for s, other in both]
    same = Units([" ".join(s) for s, _ in both], agree, clusters=[s.prompt for s, _ in both])
    label = Label("Same winner in both orders", JUDGED, f"of two stories, by {judge}", percent=True)
    order = estimate(same, label=label, share=True, first_preferred=sum(found.values()) / max(1, len(found)))
    details = {"verdicts": len(shown), "unreadable": len(shown) - len(found)}
    prompts = sorted({s.prompt for s in found})
    counts = np.zeros((len(prompts), len(models), len(models)))
    for (prompt, first, second), won in found.items():
        a, b = models.index(first), models.index(second)
        counts[prompts.index(prompt), [a, b], [b, a]] += won, 1 - won
    draws: Any = np.random.default_rng(seed).integers(len(prompts), size=(RESAMPLES, len(prompts))) if prompts else []
    strengths = np.array([_strengths(counts[draw].sum(0)) for draw in draws])
    whole: Any = _strengths(counts.sum(0)) if prompts else []
    made: dict[str, dict[str, Metric]] = {}
    for i, model in enumerate(models):
        mine = {s: won if s.first == model else 1 - won for s, won in found.items() if model in s[1:]}
        names = [" ".join([s.prompt, *sorted(s[1:]), str(s.first < s.second)]) for s in mine]
        of_model = Units(names, list(mine.values()), clusters=[s.prompt for s in mine])
        made[model] = {"judge_wins": estimate(of_model, label=WINS, share=True, **details), "judge_order": order}
        if prompts:
            low, high = np.quantile(strengths[:, i], [0.025, 0.975])
            label = Label("Bradley-Terry strength", JUDGED, "log-odds, 0 on average", True)
            made[model]["judge_strength"] = Metric(float(whole[i]), float(low), float(high), len(prompts), {}, label)
    return made


def _strengths(counts: np.ndarray) -> np.ndarray:
    """The Bradley-Terry model's maximum-likelihood log-odds from wins, shape (models, models), lightly regularized (`choix`)."""
    import choix

    return choix.ilsr_pairwise_dense(counts, alpha=0.01)
