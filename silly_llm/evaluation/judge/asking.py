"""Verdicts by an LLM provider, in two turns: an assessment in its own words, then a verdict as JSON.

Every answer is kept in a journal before it counts; one that cannot be read as a verdict is no verdict, and is counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silly_llm.asking.budget import BudgetSpent
from silly_llm.asking.engine import Answer, Engine, answer_all, engine_within
from silly_llm.asking.journal import Journal
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.evaluation.judge.arguments import JudgeConfig
from silly_llm.evaluation.judge.rubric import GRADES, Rubric, Work, as_data, harmless
from silly_llm.evaluation.metrics.base import Units
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed
from silly_llm.providers.thinking import nothing_said

JOURNAL = "journal-judge.sqlite"
PROBE = ChatRequest(({"role": "user", "content": "Is this a sentence? Answer with yes or no."},), max_tokens=64)


@dataclass(frozen=True)
class Verdict:
    """What the judge said of a work."""

    work: Work
    grades: Mapping[str, Any] | None
    """The verdict, by key; `None`: there is none that could be read."""
    assessment: str = ""
    unreadable: str = ""
    """Why there is no verdict."""

    def __getitem__(self, key: str) -> Any:
        """A grade of a readable verdict."""
        assert self.grades is not None
        return self.grades[key]

    @property
    def mean(self) -> float:
        """The mean of the four grades."""
        return sum(self[name] for name in GRADES) / len(GRADES)


def units(verdicts: Sequence[Verdict], value: Callable[[Verdict], float], each: int = 1) -> Units:
    """A number of each verdict as units, clustered by prompt; `each` is the denominator."""
    works = [verdict.work for verdict in verdicts]
    names, prompts = [work.name for work in works], [work.prompt for work in works]
    return Units(names, [float(value(verdict)) for verdict in verdicts], [each] * len(works), prompts)


class Judge:
    """Asks for verdicts, as the options of the evaluation provider say; the journal is in the output folder."""

    def __init__(self, provider: LLMProvider, folder: Path, config: JudgeConfig, seed: int) -> None:
        self.provider, self.folder, self.config, self.seed = provider, folder, config, seed
        self.rubric = Rubric(config.rubric)
        self.tokens = Counter(prompt=0, completion=0)
        """Of all answers, those from the journal too."""
        self.failed: list[str] = []
        """Requests without an answer: why."""
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """Close the provider, in the event loop that it was used in; until then a model in this process stays loaded."""
        with self._runner as runner:
            runner.run(self.provider.aclose())

    def check(self) -> None:
        """Ask one tiny question, so that a judge who does not answer is known before anything else is done.

        Raises:
            RecipeError: the server is not there or refuses (token, model, content), or says nothing.
        """

        async def ask() -> Answer:
            await self.provider.prepare()
            return (await self.provider.complete([PROBE]))[0]

        try:
            answer = self._runner.run(ask())
        except RunError as error:
            raise RecipeError(f"judge: {error}") from None
        said = answer.reason if isinstance(answer, RequestFailed) else nothing_said(answer) or ""
        if said and not said.startswith("thinking"):
            raise RecipeError(f"judge: {self.provider.model or 'the provider'} does not answer: {said}")

    def verdicts(self, works: Sequence[Work], what: str) -> list[Verdict]:
        """A verdict on each work, in order.

        Raises:
            RunError: the budget is spent, or requests fail; answers so far are kept, and the same command asks only for the others.
        """
        try:
            return self._runner.run(self._verdicts(works, what))
        except BudgetSpent as spent:
            raise RunError(
                f"judge: {spent}; with a larger budget the same command asks only for what is missing"
            ) from None

    async def _verdicts(self, works: Sequence[Work], what: str) -> list[Verdict]:
        self.failed = []
        with nullcontext() if self.provider.free else Journal(self.folder / JOURNAL) as journal:
            engine = engine_within(self.config.limits, self.provider, journal)
            first = await self._answers(engine, [self._request(work) for work in works], f"assessing, {what}")
            assessments = [harmless(text.strip()) for text, _ in first]
            assessed = [i for i, assessment in enumerate(assessments) if assessment]
            asked = [self._request(works[i], assessments[i]) for i in assessed]
            second = dict(zip(assessed, await self._answers(engine, asked, f"grading, {what}"), strict=True))
        if len(self.failed) > self.config.max_failed:
            raise RunError(
                f"judge: {len(self.failed)} requests failed (most often: {Counter(self.failed).most_common(1)[0][0]}); all answers are kept, "
                "and the same command asks only for the missing ones (or allow for them with max_failed)"
            )
        made = []
        for i, (work, assessment) in enumerate(zip(works, assessments, strict=True)):
            answer, why = second.get(i, ("", first[i][1] or "the assessment is empty"))
            grades = None
            try:
                grades = work.read(answer) if answer.strip() else None
            except ValueError as error:
                why = f"no verdict: {error}"
            made.append(Verdict(work, grades, assessment, "" if grades else why or "the answer is empty"))
        return made

    async def _answers(self, engine: Engine, requests: Sequence[ChatRequest], what: str) -> list[tuple[str, str]]:
        """Of each request the answer's text or, where it is empty because there is no answer, the reason."""
        from tqdm.auto import tqdm

        made: list[tuple[str, str]] = []
        with tqdm(total=len(requests), desc=f"{self.provider.model}: {what}", disable=None) as bar:
            async for _, _, answer in answer_all(((None, request) for request in requests), engine):
                if isinstance(answer, Completion):
                    self.tokens.update(prompt=answer.prompt_tokens, completion=answer.completion_tokens)
                    made.append((answer.text, ""))
                else:
                    self.failed += [] if answer.invalid else [answer.reason]
                    made.append(("", answer.reason.partition(": ")[2] or answer.reason))
                bar.update()
        return made

    def _request(self, work: Work, assessment: str | None = None) -> ChatRequest:
        """The first question about a work or, after the assessment, the second."""
        messages = [("system", self.rubric.system(work)), ("user", as_data(work.parts))]
        if assessment is not None:
            messages += [("assistant", assessment), ("user", self.rubric.verdict(work))]
        return ChatRequest(
            tuple({"role": role, "content": content} for role, content in messages),
            seed=int(fingerprint([self.seed, work.id, work.repeat])[:7], 16),
            schema=work.schema() if assessment is not None and self.provider.structured else None,
            fields={"task": "judge"},
            temperature=self.config.judge_temperature,
            max_tokens=self.config.max_tokens,
        )
