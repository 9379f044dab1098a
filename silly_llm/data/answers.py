"""The one engine between requests and answers: asks a provider, keeps the journal, gives answers back in order.

Memory holds a window of requests, whatever their number. Providers that take one request at a time get up to
`concurrency` of them at once; providers that work on batches get consecutive groups of `batch_size`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from silly_llm.data.journal import Journal, request_key
from silly_llm.errors import RunError
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed

WINDOW = 16
"""How far, in multiples of what is in flight, answers may run ahead of the oldest one that is still missing."""
Answer = Completion | RequestFailed
Group = list[tuple[Any, ChatRequest]]
GIVE_UP_AFTER = 20
"""Failures in a row, with no answer ever, after which the run stops."""


@dataclass
class Tally:
    """What happened so far."""

    asked: int = 0
    """Answers that the provider gave in this run."""
    reused: int = 0
    """Answers that came from the journal."""
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Failures by reason."""


async def answer_all(
    requests: Iterable[tuple[Any, ChatRequest]],
    provider: LLMProvider,
    journal: Journal | None = None,
    tally: Tally | None = None,
) -> AsyncGenerator[tuple[Any, ChatRequest, Answer], None]:
    """Yield `(tag, request, answer)` for each of `requests`, in their order.

    Args:
        requests: pairs of anything the caller wants back and the request; consumed lazily.
        provider: who answers.
        journal: where answers are kept and looked up; `None` for providers that are `free`.
        tally: counts, updated on the way.

    Raises:
        RunError: a fatal failure, or nothing but failures; what was answered is in the journal.
    """
    tally = tally if tally is not None else Tally()
    concurrency = max(1, provider.concurrency)
    ahead = concurrency * WINDOW if concurrency > 1 else 1
    groups = _groups(requests, 1 if concurrency > 1 else max(1, provider.batch_size))
    worker = _Worker(provider, journal, tally, asyncio.Semaphore(concurrency))
    pending: deque[tuple[Group, asyncio.Task[list[Answer]]]] = deque()
    try:
        while True:
            for group in islice(groups, ahead - len(pending)):
                pending.append((group, asyncio.create_task(worker.answer([request for _, request in group]))))
            if not pending:
                break
            await asyncio.wait([pending[0][1]])
            while pending and pending[0][1].done():
                group, task = pending.popleft()
                for (tag, request), answer in zip(group, task.result(), strict=True):
                    yield tag, request, answer
    finally:
        for _, task in pending:
            task.cancel()
        await asyncio.gather(*(task for _, task in pending), return_exceptions=True)
        if journal is not None:
            journal.sync()


class _Worker:
    """Answers groups of requests from the journal, or by asking, and records what it was told."""

    def __init__(
        self, provider: LLMProvider, journal: Journal | None, tally: Tally, in_flight: asyncio.Semaphore
    ) -> None:
        self.provider = provider
        self.journal = journal
        self.tally = tally
        self.in_flight = in_flight
        self.stopped = ""
        """Why nothing more is asked."""
        self.whole = provider.answers_depend_on_batch

    async def answer(self, requests: list[ChatRequest]) -> list[Answer]:
        if self.journal is None:
            return await self._ask(requests)
        keys = [request_key(self.provider, request) for request in requests]
        known: list[Answer | None] = [self.journal.get(key) for key in keys]
        missing = [i for i, answer in enumerate(known) if answer is None]
        self.tally.reused += len(requests) - len(missing)
        if missing:
            # A teacher in process answers the same only to the same batch, and asking it again costs nothing.
            asked = range(len(requests)) if self.whole else missing
            new = dict(zip(asked, await self._ask([requests[i] for i in asked]), strict=True))
            for i in missing:
                answer = known[i] = new[i]
                if isinstance(answer, Completion):
                    self.journal.append(keys[i], answer)
        return [answer for answer in known if answer is not None]

    async def _ask(self, requests: list[ChatRequest]) -> list[Answer]:
        async with self.in_flight:
            if self.stopped:
                raise RunError(self.stopped)
            answers = await self.provider.complete(requests)
        for answer in answers:
            if isinstance(answer, Completion):
                self.tally.asked += 1
                continue
            self.tally.failed += 1
            self.tally.reasons[answer.reason] = self.tally.reasons.get(answer.reason, 0) + 1
            if answer.fatal:
                self.stopped = answer.reason
            elif self.tally.failed >= GIVE_UP_AFTER and not self.tally.asked:
                self.stopped = f"the first {self.tally.failed} requests all failed: {answer.reason}"
            if self.stopped:
                raise RunError(self.stopped)
        return answers


def _groups(requests: Iterable[tuple[Any, ChatRequest]], size: int) -> Iterator[Group]:
    iterator = iter(requests)
    while group := list(islice(iterator, size)):
        yield group
