"""The one engine between requests and answers: asks a provider, keeps the journal, minds the budget, keeps the order.

`Engine.ask` answers a few requests from the journal or by the provider; `in_order` runs many such jobs at once and gives
their results back in order, with a bounded window, so memory is flat. Whoever stops (a fatal failure, a spent budget, Ctrl-C)
lets requests in flight finish, since they are paid for.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from silly_llm.asking.budget import Budget
from silly_llm.asking.journal import Journal, request_key
from silly_llm.core.errors import RunError
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed
from silly_llm.providers.thinking import SWITCH_OFF, nothing_said, without_thinking

WINDOW = 16
"""How far, in multiples of what may be in flight, answers may run ahead of the oldest one that is still missing."""
GIVE_UP_AFTER = 20
"""Failures in a row, with no answer ever, after which the run stops."""
GRACE = 10.0
"""Seconds that requests in flight get to finish when the run stops."""
Answer = Completion | RequestFailed
Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass
class RequestCounts:
    """What happened so far."""

    asked: int = 0
    """Answers that the provider gave in this run."""
    reused: int = 0
    """Answers that came from the journal."""
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Failures by reason."""
    empty: int = 0
    """Answers of this run that say nothing, such as thinking that used up the token limit."""
    empty_reasons: dict[str, int] = field(default_factory=dict)
    prompt_tokens: int = 0
    """Of the answers that the provider gave in this run."""
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    """Of the completion tokens: what the teacher thought, by its own count or an estimate."""


class Engine:
    """Answers requests from the journal, or by asking, and records what it was told.

    Args:
        provider: who answers.
        journal: where answers are kept and looked up; `None` for providers that are `free`.
        tally: counts, updated on the way.
        budget: what may be spent; `None` for all it takes.
    """

    def __init__(
        self,
        provider: LLMProvider,
        journal: Journal | None = None,
        tally: RequestCounts | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.provider = provider
        self.journal = journal
        self.tally = tally if tally is not None else RequestCounts()
        self.budget = budget
        self.stopped: Exception | None = None
        """Why nothing more is asked."""

    @property
    def at_once(self) -> int:
        """How many jobs are worth running at once."""
        return max(1, self.provider.concurrency)

    @property
    def job_size(self) -> int:
        """How many requests a job should hold: one, or a batch for providers that work on batches."""
        return 1 if self.at_once > 1 else max(1, self.provider.batch_size)

    async def ask(self, requests: list[ChatRequest]) -> list[Answer]:
        """Answer `requests`, in their order.

        Raises:
            RunError: a fatal failure, or nothing but failures, or a spent budget; what was answered is in the journal.
        """
        if self.journal is None:
            answers = await self._ask(requests)
            self._stop_if_hopeless()
            return [self._said(answer) for answer in answers]
        keys = [request_key(self.provider, request) for request in requests]
        known: list[Answer | None] = [self.journal.get(key) for key in keys]
        missing = [i for i, answer in enumerate(known) if answer is None]
        self.tally.reused += len(requests) - len(missing)
        if missing:
            # A teacher in process answers the same only to the same batch, and asking it again costs nothing.
            whole = self.provider.answers_depend_on_batch
            asked = range(len(requests)) if whole else missing
            new = dict(zip(asked, await self._ask([requests[i] for i in asked]), strict=True))
            for i in missing:
                answer = known[i] = new[i]
                if isinstance(answer, Completion):
                    self.journal.append(keys[i], answer)
        self._stop_if_hopeless()
        return [self._said(answer) for answer in known if answer is not None]

    def _said(self, answer: Answer) -> Answer:
        """What the teacher said, without its thinking; the journal has all of it."""
        if self.provider.free or not isinstance(answer, Completion):
            return answer
        return without_thinking(answer)

    async def _ask(self, requests: list[ChatRequest]) -> list[Answer]:
        if self.stopped:
            raise self.stopped
        if self.budget is None:
            answers = await self.provider.complete(requests)
        else:
            try:
                reserved = await self.budget.reserve(requests)
            except RunError as error:
                self.stopped = error
                raise
            try:
                answers = await self.provider.complete(requests)
                self.budget.spend(answers)
            finally:
                self.budget.give_back(reserved)
        for answer in answers:
            if isinstance(answer, Completion):
                self.tally.asked += 1
                self.tally.prompt_tokens += answer.prompt_tokens
                self.tally.completion_tokens += answer.completion_tokens
                if not self.provider.free:
                    self._count_what_was_said(without_thinking(answer))
                continue
            self.tally.failed += 1
            self.tally.reasons[answer.reason] = self.tally.reasons.get(answer.reason, 0) + 1
            if answer.fatal and self.stopped is None:
                self.stopped = RunError(answer.reason)
        return answers

    def _count_what_was_said(self, answer: Completion) -> None:
        self.tally.reasoning_tokens += answer.extra.get("reasoning_tokens", 0)
        if reason := nothing_said(answer):
            self.tally.empty += 1
            self.tally.empty_reasons[reason] = self.tally.empty_reasons.get(reason, 0) + 1

    def _stop_if_hopeless(self) -> None:
        """Called when what came is in the journal."""
        tally = self.tally
        if self.stopped is None and tally.failed + tally.empty >= GIVE_UP_AFTER and tally.asked == tally.empty:
            failed = tally.failed >= tally.empty
            reasons = tally.reasons if failed else tally.empty_reasons
            reason = max(reasons, key=lambda r: reasons[r])
            what = (
                f"the first {tally.failed} requests all failed"
                if failed
                else f"the first {tally.empty} answers say nothing"
            )
            hint = f"; {SWITCH_OFF}" if reason.startswith("thinking") else ""
            self.stopped = RunError(f"{what}: {reason}{hint}")
        if self.stopped is not None:
            raise self.stopped


async def in_order(
    work: Callable[[Job], Awaitable[Result]], jobs: Iterable[Job], *, at_once: int
) -> AsyncGenerator[Result, None]:
    """Yield `await work(job)` for each of `jobs`, in their order, `at_once` of them in flight.

    Jobs are taken lazily; at most `WINDOW * at_once` results wait for the oldest one. What `work` raises is raised
    here, after the results before it, and after other jobs in flight had `GRACE` seconds to finish.
    """
    iterator = iter(jobs)
    results: dict[int, Result] = {}
    room = asyncio.Semaphore(at_once * WINDOW if at_once > 1 else 1)
    ready = asyncio.Event()
    failure: BaseException | None = None
    taken = wanted = running = 0
    over = False

    async def worker() -> None:
        nonlocal taken, failure, over, running
        try:
            while True:
                await room.acquire()
                if over:
                    break
                try:
                    job = next(iterator)
                except StopIteration:
                    break
                number, taken = taken, taken + 1
                results[number] = await work(job)
                if number == wanted:
                    ready.set()
        except Exception as error:
            failure = failure or error
        finally:
            over = True
            running -= 1
            room.release()  # the next worker sees that it is over
            ready.set()

    workers = [asyncio.create_task(worker()) for _ in range(at_once)]
    running = len(workers)
    with rare_garbage_collection():
        try:
            while running or wanted in results:
                while wanted in results:
                    result = results.pop(wanted)
                    wanted += 1
                    room.release()
                    yield result
                if wanted not in results and running and failure is None:
                    ready.clear()
                    await ready.wait()
                elif failure is not None:
                    break
            if failure is not None:
                await asyncio.wait(workers, timeout=GRACE)
                while wanted in results:
                    yield results.pop(wanted)
                    wanted += 1
                raise failure
        finally:
            over = True
            left = [task for task in workers if not task.done()]
            if left:
                await asyncio.wait(left, timeout=0.0 if failure is not None else GRACE)
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Look for cycles of garbage a hundredth as often: with a thousand requests in flight Python spends a third of its time there."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def answer_all(
    requests: Iterable[tuple[Any, ChatRequest]], engine: Engine
) -> AsyncGenerator[tuple[Any, ChatRequest, Answer], None]:
    """Yield `(tag, request, answer)` for each of `requests` (pairs of anything and a request), in their order.

    Raises:
        RunError: as `Engine.ask`.
    """

    async def work(job: list[tuple[Any, ChatRequest]]) -> list[tuple[Any, ChatRequest, Answer]]:
        answers = await engine.ask([request for _, request in job])
        return [(tag, request, answer) for (tag, request), answer in zip(job, answers, strict=True)]

    try:
        async for answered in in_order(work, batches(requests, engine.job_size), at_once=engine.at_once):
            for each in answered:
                yield each
    finally:
        if engine.journal is not None:
            engine.journal.sync()


def batches(items: Iterable[Job], size: int) -> Iterator[list[Job]]:
    """Consecutive lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
