"""What a run may spend: requests, tokens, money. Kept to strictly, also with many requests in flight.

A request is sent only when its worst case (the prompt at two characters a token, the answer at `max_tokens`) still fits beside
what was spent and what is in flight; if it does not, it waits for those in flight, whose answers are mostly shorter.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from silly_llm.core.errors import RunError
from silly_llm.providers.base import ChatRequest, Completion, Prices, RequestFailed

CHARACTERS_PER_TOKEN = 2.0
"""Fewest characters of a prompt that make a token, for the worst case."""


class BudgetSpent(RunError):
    """The budget allows for no further request. What was answered is kept; with a larger budget the run goes on."""


@dataclass
class Spending:
    """Requests, tokens and money: spent, or set aside for requests in flight."""

    requests: int = 0
    tokens: int = 0
    cost: float = 0.0


class Budget:
    """Limits, and what was spent of them. All three may be `None`: no limit.

    Args:
        spent: what earlier runs into the same journal spent.
        prices: for `max_cost`.
    """

    def __init__(
        self,
        *,
        max_requests: int | None = None,
        max_tokens_total: int | None = None,
        max_cost: float | None = None,
        prices: Prices | None = None,
        spent: Spending | None = None,
    ) -> None:
        self.limits = {
            "max_requests": ("requests", max_requests),
            "max_tokens_total": ("tokens", max_tokens_total),
            "max_cost": ("cost", max_cost),
        }
        self.prices = prices
        self.spent = spent or Spending()
        self._under_way = Spending()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def reserve(self, requests: Sequence[ChatRequest]) -> Spending:
        """Set the worst case of `requests` aside, when it fits; `give_back` it afterwards.

        Raises:
            BudgetSpent: it does not fit, and nothing in flight could leave room.
        """
        need = Spending(len(requests))
        for request in requests:
            characters = sum(len(message["content"]) for message in request.messages)
            prompt = math.ceil(characters / CHARACTERS_PER_TOKEN)
            need.tokens += prompt + request.max_tokens
            need.cost += self.prices.cost(prompt, request.max_tokens) if self.prices else 0.0
        async with self._turn:  # who came first goes first, or what is small would overtake and leave gaps
            while (limit := self._exceeded(need)) is not None:
                if not self._under_way.requests:
                    raise BudgetSpent(f"{limit} leaves no room for another request ({self.said()})")
                self._changed.clear()
                await self._changed.wait()
            self._add(self._under_way, need, 1)
        return need

    def spend(self, answers: Sequence[Completion | RequestFailed]) -> None:
        """Count what came."""
        for answer in answers:
            if isinstance(answer, Completion):
                self.spent.requests += 1
                self.spent.tokens += answer.prompt_tokens + answer.completion_tokens
                if self.prices:
                    self.spent.cost += self.prices.cost(answer.prompt_tokens, answer.completion_tokens)

    def give_back(self, reserved: Spending) -> None:
        """What was set aside is free again."""
        self._add(self._under_way, reserved, -1)
        self._changed.set()

    def said(self) -> str:
        """What was spent, for people."""
        cost = f", {self.spent.cost:,.4f} spent" if self.prices else ""
        return f"{self.spent.requests:,} answers, {self.spent.tokens:,} tokens{cost}"

    def _exceeded(self, need: Spending) -> str | None:
        for name, (kind, limit) in self.limits.items():
            total = getattr(self.spent, kind) + getattr(self._under_way, kind) + getattr(need, kind)
            if limit is not None and total > limit:
                return name
        return None

    @staticmethod
    def _add(to: Spending, what: Spending, sign: int) -> None:
        to.requests += sign * what.requests
        to.tokens += sign * what.tokens
        to.cost += sign * what.cost
