"""Adaptive limits, least in flight, ejection and return."""

from __future__ import annotations

import asyncio
import time

import pytest

from silly_llm.providers.server.endpoints import EJECT_AFTER, Endpoint, EndpointPool
from silly_llm.providers.server.errors import RequestError, refusal, seconds_to_wait


async def never(endpoint):
    return False


def use(endpoint: Endpoint, count: int) -> None:
    """`count` answers that came while the limit was used in full."""
    for _ in range(count):
        endpoint.in_flight = int(endpoint.limit)
        endpoint.succeeded()


def test_the_limit_doubles_a_round_until_the_first_overload_and_then_creeps():
    endpoint = Endpoint("a", 4.0, 1000)
    use(endpoint, 4)
    assert endpoint.limit == 8
    endpoint.overloaded(time.monotonic())
    assert endpoint.limit == pytest.approx(5.6)
    use(endpoint, 5)
    assert 6.3 < endpoint.limit < 6.7
    endpoint.most = 6
    use(endpoint, 100)
    assert endpoint.limit <= 6.7


def test_a_limit_that_is_not_used_does_not_grow():
    endpoint = Endpoint("a", 4.0, 1000, in_flight=2)
    for _ in range(100):
        endpoint.succeeded()
    assert endpoint.limit == 4


def test_refusals_of_one_round_count_once_and_one_permit_stays():
    endpoint = Endpoint("a", 64.0, 64)
    began = time.monotonic()
    for _ in range(64):
        endpoint.overloaded(began)
    assert endpoint.limit == pytest.approx(44.8)
    for _ in range(100):
        endpoint.overloaded(time.monotonic())
    assert endpoint.limit == 1


def test_permits_go_to_the_least_busy_and_to_those_who_waited_longest():
    async def run():
        a, b = Endpoint("a", 2.0, 2), Endpoint("b", 1.0, 1)
        pool = EndpointPool([a, b], never)
        taken = [await pool.acquire() for _ in range(3)]
        assert [e.url for e in taken] == ["a", "b", "a"] and (pool.in_flight, pool.limit) == (3, 3)
        order = []

        async def wait(name):
            order.append((name, (await pool.acquire()).url))

        waiting = [asyncio.create_task(wait(i)) for i in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        pool.release(b)
        pool.release(a)
        await asyncio.gather(*waiting, return_exceptions=True)
        assert order == [(1, "b"), (2, "a")] and pool.in_flight == 3

    asyncio.run(run())


def test_a_sick_endpoint_rests_until_its_health_check_succeeds(monkeypatch):
    monkeypatch.setattr("silly_llm.providers.server.endpoints.FIRST_REST", 0.02)
    well = False

    async def is_healthy(endpoint):
        return well

    async def run():
        nonlocal well
        a, b = Endpoint("a", 4.0, 4, answered=True), Endpoint("b", 4.0, 4)
        pool = EndpointPool([a, b], is_healthy)
        for _ in range(EJECT_AFTER):
            pool.failed(a, "HTTP 500")
        assert not a.healthy
        assert {(await pool.acquire()).url for _ in range(4)} == {"b"}
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        well = True
        assert (await asyncio.wait_for(waiting, 5)).url == "a" and a.limit == 2
        pool.close()

    asyncio.run(run())


def test_nobody_waits_for_ever_when_all_are_gone(monkeypatch):
    monkeypatch.setattr("silly_llm.providers.server.endpoints.FIRST_REST", 0.01)

    async def run():
        pool = EndpointPool([Endpoint("a", 4.0, 4, answered=True)], never, patience=0.05)
        for _ in range(EJECT_AFTER):
            pool.failed(pool.endpoints[0], "HTTP 502: bad gateway")
        with pytest.raises(RequestError, match=r"out of order for 0\.05 s: HTTP 502") as raised:
            await asyncio.wait_for(pool.acquire(), 5)
        assert raised.value.fatal
        pool.close()

    asyncio.run(run())


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


def test_retry_after_may_be_seconds_or_a_date():
    assert seconds_to_wait("2.5") == 2.5 and seconds_to_wait("0") == 0
    assert seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert seconds_to_wait(None) is None and seconds_to_wait("soon") is None
    assert seconds_to_wait("Fri, 31 Dec 2049 23:59:59 GMT") > 1e8
