"""Verdicts by an LLM provider, in two turns: an assessment in its own words, then a verdict as JSON.

Every answer is kept in a journal before it counts; one that cannot be read as a verdict is no verdict, and is counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from silly_llm.asking.budget import BudgetSpent
from silly_llm.asking.engine import Answer, batches, engine_within, in_order
from silly_llm.asking.journal import Journal
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.evaluation.judge.rubric import GRADES, Rubric, Work, as_data, harmless
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed
from silly_llm.providers.thinking import nothing_said

JOURNAL = "journal-judge.sqlite"
PROBE = ChatRequest(({"role": "user", "content": "Is this a sentence? Answer with yes or no."},), max_tokens=64)


@dataclass(frozen=True)
class Verdict:
    """What the judge said of a work."""

    grades: Mapping[str, Any] | None
    """The verdict, by key; `None`: there is none that could be read."""
    assessment: str = ""
    unreadable: str = ""
    """Why there is no verdict."""

    @property
    def mean(self) -> float:
        """The mean of the four grades."""
        assert self.grades is not None
        return sum(self.grades[name] for name in GRADES) / len(GRADES)


class Judge:
    """Asks for verdicts.

    Args:
        limits: what may be spent (`engine_within`).
        max_tokens: of an answer.
        max_failed: how many requests may fail for other reasons than an unreadable verdict.
    """

    def __init__(
        self,
        provider: LLMProvider,
        rubric: Rubric,
        folder: Path,
        *,
        seed: int,
        temperature: float = 0.7,
        max_tokens: int = 512,
        max_failed: int = 0,
        limits: Mapping[str, float | None] | None = None,
    ) -> None:
        self.provider, self.rubric, self.folder = provider, rubric, folder
        self.seed, self.max_failed, self.limits = seed, max_failed, limits or {}
        self.how: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens}
        self.tokens = Counter(prompt=0, completion=0)
        """Of all answers, those from the journal too."""
        self.failed: list[str] = []
        """Requests without an answer: why."""

    def check(self) -> None:
        """Ask one tiny question, so that a judge who does not answer is known before anything else is done.

        Raises:
            RecipeError: the server is not there or refuses (token, model, content), or says nothing.
        """

        async def ask() -> Answer:
            async with aclosing(self.provider):
                await self.provider.prepare()
                return (await self.provider.complete([PROBE]))[0]

        try:
            answer = asyncio.run(ask())
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
            return asyncio.run(self._verdicts(works, what))
        except BudgetSpent as spent:
            raise RunError(
                f"judge: {spent}; with a larger budget the same command asks only for what is missing"
            ) from None

    async def _verdicts(self, works: Sequence[Work], what: str) -> list[Verdict]:
        from tqdm.auto import tqdm

        self.failed = []
        made: list[Verdict] = []
        bar = tqdm(total=len(works), desc=f"{self.provider.model}: {what}", unit=" verdicts", disable=None)
        with bar, nullcontext() if self.provider.free else Journal(self.folder / JOURNAL) as journal:
            async with aclosing(self.provider):
                await self.provider.prepare()
                engine = engine_within(self.limits, self.provider, journal)

                async def judge(batch: list[Work]) -> list[Verdict]:
                    made = [self._assessment(a) for a in await engine.ask([self._request(work) for work in batch])]
                    assessed = [i for i, verdict in enumerate(made) if not verdict.unreadable]
                    asked = [self._request(batch[i], made[i].assessment) for i in assessed]
                    for i, answer in zip(assessed, await engine.ask(asked), strict=True):
                        made[i] = self._verdict(batch[i], made[i].assessment, answer)
                    return made

                jobs = in_order(judge, batches(works, engine.job_size), at_once=engine.at_once)
                async with aclosing(jobs) as done:
                    async for verdicts in done:
                        made += verdicts
                        bar.update(len(verdicts))
                if journal is not None:
                    journal.sync()
        if len(self.failed) > self.max_failed:
            raise RunError(
                f"judge: {len(self.failed)} requests failed (most often: {Counter(self.failed).most_common(1)[0][0]}); all answers are kept, "
                "and the same command asks only for the missing ones (or allow for them with max_failed)"
            )
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
            **self.how,
        )

    def _assessment(self, answer: Answer) -> Verdict:
        """The first answer, not yet a verdict."""
        if not isinstance(answer, Completion):
            return self._none(answer)
        self._count(answer)
        return Verdict(None, harmless(answer.text.strip()), "" if answer.text.strip() else "the assessment is empty")

    def _verdict(self, work: Work, assessment: str, answer: Answer) -> Verdict:
        """The second answer."""
        if not isinstance(answer, Completion):
            return replace(self._none(answer), assessment=assessment)
        self._count(answer)
        try:
            return Verdict(work.read(answer.text), assessment)
        except ValueError as error:
            return Verdict(None, assessment, f"no verdict: {error}" if answer.text.strip() else "the answer is empty")

    def _none(self, failure: RequestFailed) -> Verdict:
        if not failure.invalid:
            self.failed.append(failure.reason)
        return Verdict(None, "", failure.reason.partition(": ")[2] or failure.reason)

    def _count(self, answer: Completion) -> None:
        self.tokens.update(prompt=answer.prompt_tokens, completion=answer.completion_tokens)
