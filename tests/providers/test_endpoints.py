"""Adaptive limits, least in flight, ejection and return."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import deque

import pytest

from silly_llm.providers.server.endpoints import EJECT_AFTER, Endpoint, EndpointPool
from silly_llm.providers.server.errors import RequestError, refusal, seconds_to_wait


def in_a_loop(test):
    """A test that is a coroutine."""
    return functools.wraps(test)(lambda *arguments, **fixtures: asyncio.run(test(*arguments, **fixtures)))


async def never(endpoint):
    return False


async def answered(pool: EndpointPool, count: int, share: float = 1.0) -> int:
    """Let `count` requests be answered while a share of the permits is in use; how many permits there are then."""
    taken = deque([await pool.acquire() for _ in range(int(pool.in_flight[1] * share))])
    for _ in range(count):
        endpoint = taken.popleft()
        endpoint.succeeded()
        pool.release(endpoint)
        while pool.in_flight[0] < int(pool.in_flight[1] * share):
            taken.append(await pool.acquire())
    for endpoint in taken:
        pool.release(endpoint)
    return pool.in_flight[1]


@in_a_loop
async def test_permits_double_a_round_until_the_first_overload_and_then_creep():
    endpoint = Endpoint("a", 8.0, 40)
    pool = EndpointPool([endpoint], never)
    assert await answered(pool, 100, share=0.5) == 8, "what is not used does not grow"
    assert await answered(pool, 8) == 16
    began = time.monotonic()
    for _ in range(16):
        endpoint.overloaded(began)
    less = pool.in_flight[1]
    assert 8 < less < 16, "refusals of one round count once"
    assert await answered(pool, less + 1) == less + 1
    assert await answered(pool, 10_000) == 40
    for _ in range(100):
        endpoint.overloaded(time.monotonic())
    assert pool.in_flight == (0, 1)


@in_a_loop
async def test_permits_go_to_the_least_busy_and_to_those_who_waited_longest():
    a, b = Endpoint("a", 2.0, 2), Endpoint("b", 1.0, 1)
    pool = EndpointPool([a, b], never)
    taken = [await pool.acquire() for _ in range(3)]
    assert [e.url for e in taken] == ["a", "b", "a"] and pool.in_flight == (3, 3)
    order = []

    async def wait(name):
        order.append((name, (await pool.acquire()).url))

    waiting = [asyncio.create_task(wait(i)) for i in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    pool.release(b)
    pool.release(a)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == [(1, "b"), (2, "a")] and pool.in_flight == (3, 3)


@in_a_loop
async def test_a_sick_endpoint_rests_until_its_health_check_succeeds(monkeypatch):
    monkeypatch.setattr("silly_llm.providers.server.endpoints.FIRST_REST", 0.02)
    well = asyncio.Event()
    checked = asyncio.Event()

    async def is_healthy(endpoint):
        checked.set()
        return well.is_set()

    a, b = Endpoint("a", 4.0, 4, answered=True), Endpoint("b", 4.0, 4)
    pool = EndpointPool([a, b], is_healthy)
    for _ in range(EJECT_AFTER):
        pool.failed(a, "HTTP 500")
    assert {(await pool.acquire()).url for _ in range(4)} == {"b"}
    waiting = asyncio.create_task(pool.acquire())
    await checked.wait()
    assert not waiting.done()
    well.set()
    assert (await asyncio.wait_for(waiting, 5)).url == "a" and pool.in_flight == (5, 6)
    pool.close()


@in_a_loop
async def test_nobody_waits_for_ever_when_all_are_gone(monkeypatch):
    monkeypatch.setattr("silly_llm.providers.server.endpoints.FIRST_REST", 0.01)

    pool = EndpointPool([Endpoint("a", 4.0, 4, answered=True)], never, patience=0.05)
    for _ in range(EJECT_AFTER):
        pool.failed(pool.endpoints[0], "HTTP 502: bad gateway")
    with pytest.raises(RequestError, match=r"out of order for 0\.05 s: HTTP 502") as raised:
        await asyncio.wait_for(pool.acquire(), 5)
    assert raised.value.fatal
    pool.close()


@pytest.mark.parametrize(
    ("status", "body", "transient", "fatal"),
    [
        (429, b'{"error": "overloaded", "error_type": "overloaded"}', True, False),
        (503, b"busy", True, False),
        (500, b"", True, False),
        (422, b'{"error": "inputs too long", "error_type": "validation"}', False, False),
        (400, b'{"error": {"message": "too long", "code": "context_length_exceeded"}}', False, False),
        (401, b'{"detail": "no"}', False, True),
        (404, b'{"error": {"message": "no such model"}}', False, True),
        (429, b'{"error": {"message": "pay", "code": "insufficient_quota"}}', False, True),
    ],
)
def test_what_a_status_means(status, body, transient, fatal):
    error = refusal(status, body, {})
    assert (error.transient, error.fatal) == (transient, fatal)


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [
        (("2.5",), 2.5, 2.5),
        (("0",), 0, 0),
        (("60", "250"), 0.25, 0.25),
        (("2", "soon"), 2, 2),
        (("Wed, 21 Oct 2015 07:28:00 GMT",), 0, 0),
        (("Fri, 31 Dec 2049 23:59:59 GMT",), 1e8, 1e10),
    ],
)
def test_retry_after_may_be_seconds_milliseconds_or_a_date(given, least, most):
    assert least <= seconds_to_wait(*given) <= most
    assert seconds_to_wait(None) is None and seconds_to_wait("soon") is None
