"""Endpoints of a provider and how much each may have in flight: adaptive limits, least in flight, ejection and return.

The limit of an endpoint follows AIMD (Chiu & Jain 1989), as TCP does: each answer that came while the limit was used in full
adds 1/limit (one more per round of answers; twice as many per round until the first overload), an overload (429, 503, 529, a
timeout) takes 30 % off, at most once per round. A permit is held while a request is in flight, never while one waits
to try again. An endpoint that fails `EJECT_AFTER` times in a row gets no requests until its health check succeeds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from silly_llm.providers.server.errors import RequestError

DECREASE = 0.7
EJECT_AFTER = 5
"""Failures in a row (no connection, dropped connections, 5xx) after which an endpoint rests."""
FIRST_REST = 1.0
LONGEST_REST = 30.0
"""Seconds between health checks: doubled from the first to the longest."""


@dataclass(eq=False)
class Endpoint:
    """One address, and what is known of it."""

    url: str
    limit: float
    """How many requests may be in flight; its whole part counts."""
    most: int
    """The limit never grows beyond this."""
    in_flight: int = 0
    healthy: bool = True
    answered: bool = False
    """It has answered at least once."""
    failures: int = 0
    """In a row."""
    growing: bool = True
    """No overload so far: the limit doubles each round (slow start)."""
    decreased: float = 0.0
    """When the limit was last taken down."""

    def succeeded(self) -> None:
        """An answer came (call it before the permit is given back)."""
        self.answered = True
        self.failures = 0
        if self.in_flight >= int(self.limit) and self.limit < self.most:
            self.limit = min(self.limit + (1.0 if self.growing else 1.0 / self.limit), self.most)

    def overloaded(self, began: float) -> None:
        """There was too much in flight when a request that began at `began` (monotonic seconds) was refused."""
        if began >= self.decreased:  # those sent before the last decrease say nothing new
            self.growing = False
            self.limit = max(self.limit * DECREASE, 1.0)
            self.decreased = time.monotonic()


class EndpointPool:
    """Hands out permits, at each time to the endpoint with least in flight. Bound to one event loop.

    Args:
        endpoints: at least one.
        is_healthy: asks an ejected endpoint whether it is well again.
        patience: seconds to wait for the first of them to return when all are out of order.
    """

    def __init__(
        self, endpoints: list[Endpoint], is_healthy: Callable[[Endpoint], Awaitable[bool]], *, patience: float = 600.0
    ) -> None:
        self.endpoints = endpoints
        self.patience = patience
        self._is_healthy = is_healthy
        self._waiting: deque[asyncio.Future[Endpoint]] = deque()
        self._checks: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> tuple[int, int]:
        """Requests in flight at all endpoints, and how many may be at the healthy ones together."""
        limit = sum(int(endpoint.limit) for endpoint in self.endpoints if endpoint.healthy)
        return sum(endpoint.in_flight for endpoint in self.endpoints), limit

    @property
    def ever_answered(self) -> bool:
        """Whether any of them has answered at least once."""
        return any(endpoint.answered for endpoint in self.endpoints)

    async def acquire(self) -> Endpoint:
        """Wait for a permit, first come first served; give it back by `release`.

        Raises `RequestError` if all endpoints have been out of order for `patience` seconds.
        """
        if not self._waiting and (endpoint := self._best()) is not None:
            endpoint.in_flight += 1
            return endpoint
        turn: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(turn.result())
            raise

    def release(self, endpoint: Endpoint) -> None:
        """Give a permit back."""
        endpoint.in_flight -= 1
        self._hand_out()

    def failed(self, endpoint: Endpoint, why: str) -> None:
        """A request to the endpoint came to nothing; too many in a row and it rests until its health check succeeds."""
        endpoint.failures += 1
        # Before the first answer there is no server yet: the caller decides.
        if self.ever_answered and endpoint.healthy and endpoint.failures >= EJECT_AFTER:
            endpoint.healthy = False
            task = asyncio.get_running_loop().create_task(self._return_when_well(endpoint, why))
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)

    def close(self) -> None:
        """Stop health checks."""
        for task in self._checks:
            task.cancel()

    def _best(self) -> Endpoint | None:
        free = [e for e in self.endpoints if e.healthy and e.in_flight < int(e.limit)]
        return min(free, key=lambda endpoint: endpoint.in_flight, default=None)

    def _hand_out(self) -> None:
        while self._waiting and (endpoint := self._best()) is not None:
            turn = self._waiting.popleft()
            if not turn.done():
                endpoint.in_flight += 1
                turn.set_result(endpoint)

    async def _return_when_well(self, endpoint: Endpoint, why: str) -> None:
        rest, since = FIRST_REST, time.monotonic()
        while True:
            await asyncio.sleep(rest)
            if await self._is_healthy(endpoint):
                break
            rest = min(rest * 2, LONGEST_REST)
            if time.monotonic() - since > self.patience and not any(e.healthy for e in self.endpoints):
                for turn in self._waiting:
                    if not turn.done():
                        turn.set_exception(RequestError(f"out of order for {self.patience:g} s: {why}", fatal=True))
                self._waiting.clear()
        endpoint.healthy, endpoint.failures = True, 0
        endpoint.limit, endpoint.growing = max(1.0, endpoint.limit / 2), True
        self._hand_out()
