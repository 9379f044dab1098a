"""The paper's GPT-Eval: stories of a model judged by an LLM, with what is known of that judge beside its grades."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import permutations
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from silly_llm.core.container import Container
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments, SamplingSettings
from silly_llm.evaluation.judge.arguments import OURS, JudgeConfig
from silly_llm.evaluation.judge.asking import Judge, Verdict, units
from silly_llm.evaluation.judge.calibration import Calibration, corrected, damaged_pairs
from silly_llm.evaluation.judge.pairwise import Shown, wins
from silly_llm.evaluation.judge.rubric import AGE_GROUPS, GRADES, RUBRICS, Work
from silly_llm.evaluation.metrics.base import (
    JUDGED,
    EvaluationData,
    EvaluationProvider,
    Label,
    Metric,
    estimate,
    unique,
)  # fmt: skip
from silly_llm.evaluation.metrics.statistics import standard_error
from silly_llm.evaluation.metrics.stories import ask
from silly_llm.evaluation.models.base import NotMeasured
from silly_llm.evaluation.suites.beginnings import beginnings
from silly_llm.providers.base import LLMProvider

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import LanguageModel

Prompt = tuple[str, dict[str, str], Any]
"""Its name in the evidence, the first part of the work, and what the model is given."""


@register("evaluation_provider", "judge")
class StoryJudge(EvaluationProvider):
    """Grammar, creativity, consistency and plot (1-10) and the age that an LLM guesses, as in TinyStories (section 4).

    The model completes beginnings several times or, with `instruct`, answers the held-out requests. The judge assesses each story in its
    own words before it grades it, and is itself measured: on damaged copies of held-out stories, and by asking again.
    """

    def __init__(self, config: JudgeConfig, settings: EvaluationArguments, container: Container) -> None:
        self.config, self.settings, self.container = config, settings, container
        self.seed = settings.seed
        self._calibration: Calibration | None = None
        self._samples: list[dict[str, Any]] = []
        self._notes: list[str] = []

    def inputs(self) -> list[str]:
        own = self.config.rubric, self.config.prompts
        return [name for name in own if isinstance(name, str) and name not in (*RUBRICS, OURS)]

    def prepare(self) -> None:
        config = self.config
        self._beginnings = [] if config.instruct else beginnings(config.prompts)[: config.num_prompts]
        provider = self.container.build("llm_provider", config.parsed, as_type=LLMProvider)
        self.judge = Judge(provider, Path(self.settings.output_dir), config, self.seed)
        self.container.callback(self.judge.close)
        self.judge.check()

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        config, who = self.config, self.judge.provider.model or "the judge"
        prompts = [prompt for prompt in self._prompts(data, model) for _ in range(config.completions)]
        made = model.generate([given for *_, given in prompts], self._sampling, self.seed)
        works = [
            Work(name, part | ({"story": text.text.strip()} if config.instruct else {"completion": text.text}), prompt)
            for name, (prompt, part, _), text in zip(unique(p[0] for p in prompts), prompts, made, strict=True)
        ]
        chances = [int(fingerprint([self.seed, "repeat", work.name])[:8], 16) / 16**8 for work in works]
        again = [replace(work, repeat=1) for work, x in zip(works, chances, strict=True) if x < config.repeats]
        calibration = self._calibrated(data)
        state, why = calibration.state() if calibration else ("not calibrated", "calibration is off")
        self._notes = [f"Judge {who}: {state} ({why})."] if state != "calibrated" else []
        print(f"judge {who}: {state}: {why}", flush=True)
        if _same(model, who):
            self._notes.append(f"{model.name} is judged by itself, and models prefer their own texts.")
            print(f"warning: {self._notes[-1]}", flush=True)
        self.judge.tokens.clear()
        verdicts = self.judge.verdicts([*works, *again], model.name)
        verdicts, second = verdicts[: len(works)], verdicts[len(works) :]
        metrics = graded(verdicts, f"1-10, by {who}" + (f", {state}" if state != "calibrated" else ""))
        metrics["judge_unreadable"].details.update(
            judge=who, state=state, why=why, rubric=self.judge.rubric.about, tokens=dict(self.judge.tokens)
        )
        if again:
            metrics["judge_repetition"] = agreement(verdicts, second)
        if calibration:
            likelihood = None
            with suppress(NotMeasured):  # without weights there is no baseline
                likelihood = self._likelihood(model, calibration)
            metrics |= calibration.metrics(who, likelihood)
            metrics |= accepted(calibration, verdicts, state)
        firsts = zip(verdicts[:: config.completions], made[:: config.completions], strict=True)
        self._samples = [_sample(verdict, text.ended) for verdict, text in firsts]
        return self._named(metrics)

    def samples(self, model: LanguageModel, data: EvaluationData) -> list[dict[str, Any]]:
        return self._samples[: self.settings.num_samples]

    def notes(self) -> list[str]:
        return self._notes

    def compare(
        self, generations: Mapping[str, Sequence[Mapping[str, Any]]], data: EvaluationData
    ) -> dict[str, dict[str, Metric]]:
        """With `pairwise`, each model's wins against the others and its strength, on the first story of each prompt."""
        if not self.config.pairwise or len(generations) < 2:
            return {}
        how = {"sample": 1, "seed": self.seed, **vars(self._sampling)}
        del how["batch_size"]
        first: dict[str, dict[str, str]] = {
            model: {row["prompt"]: row["text"] for row in rows if how.items() <= row.items()}
            for model, rows in generations.items()
        }
        shown, works = [], []
        for name, part, given in self._prompts(data):
            told = {model: texts[text] for model, texts in first.items() for text in reversed(given) if text in texts}
            for pair in permutations(told, 2):
                stories = [told[model].strip() if self.config.instruct else told[model] for model in pair]
                shown.append(Shown(name, *pair))
                works.append(Work(name, {**part, **dict(zip(("first", "second"), stories, strict=True))}))
        verdicts = self.judge.verdicts(works, "comparing the models")
        won = wins(shown, verdicts, list(generations), self.seed, self.judge.provider.model)
        return {
            model: self._named({name: metric for name, metric in metrics.items() if metric.value == metric.value})
            for model, metrics in won.items()
        }

    # ------------------------------------------------------------------------------------------------------------------

    def _named(self, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
        """The metrics by the name that the recipe gives this judge."""
        return {self.config.name + name.removeprefix("judge"): metric for name, metric in metrics.items()}

    @property
    def _sampling(self) -> SamplingSettings:
        s = self.settings
        return SamplingSettings(s.max_new_tokens, self.config.temperature, 1.0, s.generation_batch_size)

    def _prompts(self, data: EvaluationData, model: LanguageModel | None = None) -> list[Prompt]:
        """The prompts as this model is given them; without a model, all texts that the evidence may have for it."""
        if not self.config.instruct:
            texts = self._beginnings
            return [(fingerprint(text)[:12], {"beginning": text}, text if model else [text]) for text in texts]
        made: list[Prompt] = []
        for name, request in list(zip(data.request_ids, data.requests, strict=True))[: self.config.num_prompts]:
            asked = request.instruction
            given = [json.dumps(request.messages, ensure_ascii=False), asked + "\n\n"]
            made.append((name, {"instruction": asked}, ask(model, request) if model else given))
        return made

    def _calibrated(self, data: EvaluationData) -> Calibration | None:
        if self._calibration is None and self.config.calibration:
            pairs = damaged_pairs(data, self.config.calibration, self.seed, self.config.instruct)
            works = list({work.id: work for pair in pairs for work in (pair.original, pair.damaged)}.values())
            verdicts = self.judge.verdicts(works, "calibration") if works else []
            by_id = {work.id: verdict for work, verdict in zip(works, verdicts, strict=True)}
            self._calibration = Calibration(pairs, by_id)
        return self._calibration

    def _likelihood(self, model: LanguageModel, calibration: Calibration) -> Any:
        """How likely the model finds a work: bits per byte, the other way round."""
        works = {work.id: work for pair in calibration.pairs for work in (pair.original, pair.damaged)}
        texts = ["".join(list(work.parts.values())[self.config.instruct :]) for work in works.values()]
        scored = dict(zip(works, model.score(texts, self.settings.window), strict=True))
        return lambda work: -scored[work.id].nats / max(1, scored[work.id].bytes)


def graded(verdicts: Sequence[Verdict], note: str) -> dict[str, Metric]:
    """Means of the four grades and the age, over the readable verdicts; the share of the others with the reasons."""
    read = [verdict for verdict in verdicts if verdict.grades]
    why: dict[str, Any] = {} if read else {"not_measured": "no verdict could be read"}
    metrics = {}
    for name in GRADES:
        of_grade = units(read, itemgetter(name))
        metrics[f"judge_{name}"] = estimate(of_grade, label=Label(name.capitalize(), JUDGED, note, True), **why)
    label = Label("Age group guessed", JUDGED, "from 1 (3 or younger) to 6 (13-16)")
    counts = {f"{age}: {years}": sum(v["age_group"] == age for v in read) for age, years in AGE_GROUPS.items()}
    ages = units(read, lambda verdict: 1 + list(AGE_GROUPS).index(verdict["age_group"]))
    metrics["judge_age_group"] = estimate(ages, label=label, distribution=counts, **why)
    reasons = Counter(verdict.unreadable for verdict in verdicts if not verdict.grades)
    label = Label("Verdicts that could not be read", JUDGED, "left out of all means", percent=True)
    details = {"verdicts": len(verdicts), "unreadable": reasons.total(), "reasons": dict(reasons.most_common())}
    failed = units(verdicts, lambda verdict: not verdict.grades)
    return metrics | {"judge_unreadable": estimate(failed, label=label, share=True, **details)}


def agreement(verdicts: Sequence[Verdict], again: Sequence[Verdict]) -> Metric:
    """The share of grades that are the same when a story is judged again; Cohen's kappa with squared weights in the details."""
    first = {verdict.work.name: verdict for verdict in verdicts}
    both = [(first[b.work.name], b) for b in again if first[b.work.name].grades and b.grades]
    kappas = {}
    for grade in GRADES:
        a, b = (np.array([found[i][grade] for found in both], dtype=float) for i in (0, 1))
        chance = a.var() + b.var() + (a.mean() - b.mean()) ** 2 if both else 0.0
        kappas[grade] = float(1 - ((a - b) ** 2).mean() / chance) if chance else None
    same = units(
        [b for _, b in both], lambda b: sum(first[b.work.name][grade] == b[grade] for grade in GRADES), len(GRADES)
    )
    label = Label("Same grade when asked again", JUDGED, "share of grades", percent=True)
    return estimate(same, label=label, share=True, weighted_kappa=kappas, asked_again=len(again), readable=len(both))


def accepted(calibration: Calibration, verdicts: Sequence[Verdict], state: str) -> dict[str, Metric]:
    """The share of stories that the judge accepts and, if it can tell at all, what that says of the share of good ones."""
    threshold, known = calibration.accepted
    found = units([v for v in verdicts if v.grades], lambda verdict: verdict.mean >= threshold)
    if not found or not known:
        return {}
    label = Label("Accepted", JUDGED, f"stories with a mean grade of {threshold:g} or more", True, True)
    share = estimate(found, label=label, share=True, threshold=threshold)
    error = standard_error(found.sums()[1]) if share.n > 1 else 0.0
    n = min(len(found), share.value * (1 - share.value) / error**2) if error else share.n
    value, low, high = corrected(share.value, n, [(a, b) for _, a, b in known])
    label = Label("Good stories", JUDGED, "accepted, corrected by sensitivity and specificity", True, True)
    whole = Metric(value, low, high, share.n, {"calibration_stories": len(known)}, label)
    return {"judge_accepted": share} | (
        {"judge_corrected": whole} if state != "cannot tell" and value == value else {}
    )


def _sample(verdict: Verdict, ended: bool) -> dict[str, Any]:
    task, story = verdict.work.parts.values()
    grades = {key: value for key, value in (verdict.grades or {}).items() if key != "id"}
    said = {"grades": grades, "assessment": verdict.assessment, "unreadable": verdict.unreadable}
    return {"kind": "judged", "prompt": task, "completion": story, "ended": ended, **said}


def _same(model: Any, judge: str) -> bool:
    """Whether the judge goes by the name of the model."""
    behind = getattr(model, "provider", None) or model.model.config
    names = judge, model.name, getattr(behind, "model", None) or getattr(behind, "_name_or_path", "")
    last = [PurePosixPath(str(name)).name.lower() for name in names]
    return last[0] in last[1:]
