"""What a run may spend: requests, tokens, money. Enforced strictly, even with many requests in flight.

A request is sent only if its worst case (the prompt at two characters per token, the answer at `max_tokens`) still fits on top of
what is spent and in flight; otherwise it waits for in-flight requests, whose answers are usually shorter.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from silly_llm.core.errors import RunError
from silly_llm.providers.base import ChatRequest, Completion, Prices, RequestFailed

CHARACTERS_PER_TOKEN = 2.0
"""Minimum characters per prompt token, for the worst case."""


class BudgetSpent(RunError):
    """The budget does not allow another request. Existing answers are kept; with a larger budget the run continues."""


class Spending(NamedTuple):
    """Requests, tokens and money: spent, or reserved for requests in flight."""

    requests: int = 0
    tokens: int = 0
    cost: float = 0.0

    def plus(self, other: Spending, sign: int = 1) -> Spending:
        requests, tokens, cost = other
        return Spending(self.requests + sign * requests, self.tokens + sign * tokens, self.cost + sign * cost)


class Budget:
    """Limits, and what has been spent of them. All three limits may be `None`: no limit.

    Args:
        prices: needed for `max_cost`.
        requests, prompt_tokens, completion_tokens: spent by earlier runs with the same journal.
    """

    def __init__(
        self,
        *,
        max_requests: int | None = None,
        max_tokens_total: int | None = None,
        max_cost: float | None = None,
        prices: Prices | None = None,
        requests: int = 0,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
    ) -> None:
        self.limits = {"max_requests": max_requests, "max_tokens_total": max_tokens_total, "max_cost": max_cost}
        self.prices = prices
        self.spent = self._spending(requests, prompt_tokens, completion_tokens)
        self._in_flight = Spending()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def reserved(self, requests: Sequence[ChatRequest]) -> AsyncIterator[None]:
        """Reserve the worst case of `requests` within the context; entered once it fits.

        Raises `BudgetSpent` if it does not, and no request in flight could make room.
        """
        need = Spending()
        for request in requests:
            characters = sum(len(message["content"]) for message in request.messages)
            need = need.plus(self._spending(1, math.ceil(characters / CHARACTERS_PER_TOKEN), request.max_tokens))
        async with self._turn:  # first come, first served: smaller requests must not overtake and leave gaps
            while limit := self._exceeded(need):
                if not self._in_flight.requests:
                    cost = f", {self.spent.cost:,.4f} spent" if self.prices else ""
                    spent = f"{self.spent.requests:,} answers, {self.spent.tokens:,} tokens{cost}"
                    what = "another request" if len(requests) == 1 else f"a batch of {len(requests)} requests"
                    raise BudgetSpent(f"{limit} leaves no room for {what} ({spent})")
                self._changed.clear()
                await self._changed.wait()
            self._in_flight = self._in_flight.plus(need)
        try:
            yield
        finally:
            self._in_flight = self._in_flight.plus(need, -1)
            self._changed.set()

    def spend(self, answers: Sequence[Completion | RequestFailed]) -> None:
        """Add the tokens of the answers; where the server counts none, by the characters of the text."""
        for answer in answers:
            if isinstance(answer, Completion):
                uncounted = 0 if answer.prompt_tokens else len(answer.text) // int(CHARACTERS_PER_TOKEN)
                spent = self._spending(1, answer.prompt_tokens, answer.completion_tokens or uncounted)
                self.spent = self.spent.plus(spent)

    def _spending(self, requests: int, prompt: int, completion: int) -> Spending:
        cost = self.prices.cost(prompt, completion) if self.prices else 0.0
        return Spending(requests, prompt + completion, cost)

    def _exceeded(self, need: Spending) -> str | None:
        total = self.spent.plus(self._in_flight).plus(need)
        limits = zip(self.limits.items(), total, strict=True)
        return next((name for (name, limit), amount in limits if limit is not None and amount > limit), None)
