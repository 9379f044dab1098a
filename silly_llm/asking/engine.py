"""The engine between requests and answers: calls a provider, keeps the journal, enforces the budget, preserves the order.

`Engine.ask` answers a few requests from the journal or the provider; `in_order` runs many such jobs at once and yields
their results in order, within a bounded window, so memory is bounded. On any stop (a fatal failure, a spent budget, Ctrl-C)
in-flight requests are allowed to finish, since they are paid for.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from silly_llm.asking.budget import Budget, BudgetSpent
from silly_llm.asking.journal import Journal, request_key
from silly_llm.core.errors import RunError
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed
from silly_llm.providers.thinking import SWITCH_OFF, nothing_said, without_thinking

WINDOW = 16
"""How far answers may run ahead of the oldest missing one, in multiples of the number in flight."""
GIVE_UP_AFTER = 20
"""Failures in a row, without a single answer, after which the run stops."""
GRACE = 10.0
"""Seconds that in-flight requests get to finish when the run stops."""
Answer = Completion | RequestFailed
Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass
class RequestCounts:
    """Counts so far; `asked`, `empty` and the tokens cover the answers given by the provider in this run."""

    asked: int = 0
    reused: int = 0
    """Answers taken from the journal."""
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Failures by reason."""
    empty: int = 0
    """Answers without content, such as when thinking used up the token limit."""
    empty_reasons: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Engine:
    """Answers requests from the journal or the provider, and records the answers.

    Args:
        provider: the LLM provider.
        journal: where answers are stored and looked up; `None` for providers that are `free`.
        tally: counts, updated along the way.
        budget: spending limits; `None` for no limits.
    """

    def __init__(
        self,
        provider: LLMProvider,
        journal: Journal | None = None,
        tally: RequestCounts | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.provider, self.journal, self.budget = provider, journal, budget
        self.tally = RequestCounts() if tally is None else tally
        self.stopped: Exception | None = None
        """Why no more requests are sent."""

    @property
    def at_once(self) -> int:
        """How many jobs are worth running at once."""
        return max(1, self.provider.concurrency)

    @property
    def job_size(self) -> int:
        """How many requests a job should contain: one, or a batch for providers that work on batches."""
        return 1 if self.at_once > 1 else max(1, self.provider.batch_size)

    async def ask(self, requests: list[ChatRequest]) -> list[Answer]:
        """Answer `requests`, in order, without the teacher's thinking, which only the journal keeps.

        Raises:
            RunError: a fatal failure, only failures, or a spent budget; the answers so far are in the journal.
        """
        journal, whole = self.journal, range(len(requests))
        answers: dict[int, Answer] = {}
        if journal is not None:
            keys = [request_key(self.provider, request) for request in requests]
            answers |= {i: found for i, key in enumerate(keys) if (found := journal.get(key))}
        self.tally.reused += len(answers)
        if missing := [i for i in whole if i not in answers]:
            # An in-process teacher gives the same answers only for the same batch, and asking it again costs nothing.
            asked = whole if self.provider.answers_depend_on_batch else missing
            new = dict(zip(asked, await self._ask([requests[i] for i in asked]), strict=True))
            answers |= {i: new[i] for i in missing}
            if journal is not None:
                for i in missing:
                    if isinstance(answer := new[i], Completion):
                        journal.append(keys[i], answer)
        said = [self._said(answers[i], counted=i in missing) for i in whole]
        reason = self._reason_to_stop()  # before others can spend the rest of the budget
        if journal is not None and missing:
            await journal.flush()
        if reason is not None:
            raise reason
        return said

    def _said(self, answer: Answer, *, counted: bool) -> Answer:
        """An answer without thinking; counted where it is new and says nothing."""
        if self.provider.free or isinstance(answer, RequestFailed):
            return answer
        answer = without_thinking(answer)
        if counted and (reason := nothing_said(answer)):
            self.tally.empty += 1
            self.tally.empty_reasons[reason] += 1
        return answer

    async def _ask(self, requests: list[ChatRequest]) -> list[Answer]:
        if self.stopped:
            raise self.stopped
        if self.budget is None:
            answers = await self.provider.complete(requests)
        else:
            try:
                async with self.budget.reserved(requests):
                    answers = await self.provider.complete(requests)
                    self.budget.spend(answers)
            except BudgetSpent as error:
                self.stopped = error
                raise
        tally = self.tally
        for answer in answers:
            if isinstance(answer, RequestFailed):
                tally.failed += 1
                tally.reasons[answer.reason] += 1
                if answer.fatal and self.stopped is None:
                    self.stopped = RunError(answer.reason)
                continue
            tally.asked += 1
            tally.prompt_tokens += answer.prompt_tokens
            tally.completion_tokens += answer.completion_tokens
        return answers

    def _reason_to_stop(self) -> Exception | None:
        """Why no more requests should be sent, such as only failures."""
        tally = self.tally
        if self.stopped is None and tally.failed + tally.empty >= GIVE_UP_AFTER and tally.asked == tally.empty:
            if tally.failed >= tally.empty:
                reasons, what = tally.reasons, f"the first {tally.failed} requests all failed"
            else:
                reasons, what = tally.empty_reasons, f"the first {tally.empty} answers are empty"
            reason = reasons.most_common(1)[0][0]
            self.stopped = RunError(f"{what}: {reason}{f'; {SWITCH_OFF}' if reason.startswith('thinking') else ''}")
        return self.stopped


def engine_within(limits: Mapping[str, float | None], provider: LLMProvider, journal: Journal | None) -> Engine:
    """An engine with a budget, minus what the journal says is spent.

    Args:
        limits: `max_requests`, `max_tokens_total` and `max_cost`; `None`: no limit.
    """
    budget = None
    if any(limits.values()):
        prompt, completion = journal.tokens() if journal is not None else (0, 0)
        budget = Budget(
            **limits,  # type: ignore[arg-type]
            prices=provider.prices,
            requests=len(journal) if journal is not None else 0,
            prompt_tokens=prompt,
            completion_tokens=completion,
        )
    return Engine(provider, journal, budget=budget)


async def in_order(
    work: Callable[[Job], Coroutine[Any, Any, Result]], jobs: Iterable[Job], *, at_once: int
) -> AsyncGenerator[Result, None]:
    """Yield `await work(job)` for each of `jobs`, in order, with `at_once` of them in flight.

    Jobs are taken lazily; at most `WINDOW * at_once` results wait for the oldest one. An exception of `work` is raised here, after
    the results before it, and after other jobs in flight had `GRACE` seconds to finish (`asyncio.TaskGroup` would cancel them).
    """
    room = asyncio.Semaphore(at_once * WINDOW if at_once > 1 else 1)
    free = asyncio.Semaphore(at_once)
    started: asyncio.Queue[asyncio.Task[Result] | None] = asyncio.Queue()
    in_flight: set[asyncio.Task[Result]] = set()
    failure: BaseException | None = None

    async def start() -> None:
        nonlocal failure
        try:
            for job in jobs:
                await room.acquire()
                await free.acquire()
                in_flight.add(task := asyncio.create_task(work(job)))
                task.add_done_callback(ended)
                started.put_nowait(task)
        except Exception as error:
            failure = error
        finally:
            started.put_nowait(None)

    def ended(task: asyncio.Task[Result]) -> None:
        nonlocal failure
        in_flight.discard(task)
        free.release()
        error = None if task.cancelled() else task.exception()
        if error is not None and failure is None:
            failure = error
            starter.cancel()
            asyncio.get_running_loop().call_later(GRACE, lambda: [late.cancel() for late in in_flight])

    starter = asyncio.create_task(start())
    with rare_garbage_collection():
        try:
            while task := await started.get():
                if not task.done():
                    await asyncio.wait([task])  # `await task` would propagate a cancellation to a paid request
                if failure is not None and task.cancelled():
                    break
                yield task.result()
                room.release()
            if failure is not None:
                raise failure
        finally:
            starter.cancel()
            if in_flight:
                await asyncio.wait(in_flight, timeout=GRACE)
            for task in in_flight:
                task.cancel()
            await asyncio.gather(starter, *in_flight, return_exceptions=True)


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Run the garbage collector a hundredth as often: with a thousand requests in flight it takes a third of Python's time."""
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
    """Yield `(tag, request, answer)` for each of `requests`, pairs of a tag and a request, in order.

    Raises:
        RunError: as in `Engine.ask`.
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
    """Consecutive lists of `size` items, the last one possibly shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
