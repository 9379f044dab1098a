"""The scripted LLM misbehaves as told, each fault once, and its log says what was delivered."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from scripted_client import CHAT, chat, events, get, post, send, text_of
from scripted_llm import ScriptedLLM

# Faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 402, 404, 422, 424, 429, 500, 503])
@pytest.mark.parametrize("path", [CHAT, "/generate"])
def test_statuses_in_each_shape(well, path, status):
    well.behave(fail=[status], fail_first=1)
    body = chat() if path == CHAT else {"inputs": "x"}
    got = post(well, path, body)
    assert got[0] == status and "retry-after" not in got[1]
    error = got[2]["error"]
    assert error["message"] and error["code"] if path == CHAT else error and got[2]["error_type"]
    assert post(well, path, body)[0] == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("drop", aiohttp.ServerDisconnectedError),
        ("reset", aiohttp.ClientOSError),
        ("drop_middle", aiohttp.ClientPayloadError),
    ],
)
def test_connections_that_break(well, fault, error):
    well.behave(fail=[fault], fail_first=100)
    asked = len(well.asked())
    with pytest.raises(error):
        post(well, CHAT, chat())
    if fault == "drop_middle":  # a stream ends as suddenly
        with pytest.raises(error):
            post(well, CHAT, chat(stream=True))
    assert len(well.asked()) == asked


def test_answers_that_are_none(well):
    asked = len(well.asked())
    for fault in ("truncated", "garbage"):
        well.behave(fail=[fault], fail_first=1)
        status, _, got = asyncio.run(send(well.url, CHAT, chat()))
        assert status == 200 and (got.startswith(b'{"id"') == (fault == "truncated"))
        with pytest.raises(ValueError):
            json.loads(got)
    well.behave(fail=["wrong_shape"], fail_first=1)
    assert "message" not in post(well, CHAT, chat())[2]["choices"][0]
    well.behave(fail=["empty"], fail_first=2)
    assert text_of(post(well, CHAT, chat())[2]) == ""
    assert post(well, "/generate", {"inputs": "x"})[2]["generated_text"] == ""
    assert len(well.asked()) == asked


def test_a_stream_may_end_with_an_error(well):
    well.behave(fail=["stream_error"], fail_first=2)
    *chunks, last = events(post(well, CHAT, chat(stream=True))[2])
    assert chunks and "choices" in chunks[-1] and last["error_type"] == "generation"
    assert post(well, CHAT, chat())[0] == 200  # nothing to break in an answer of one piece


def test_a_stall_is_an_answer_that_is_late(well):
    well.behave(fail=["stall"], fail_first=1, stall=0.5)
    began, asked = time.monotonic(), len(well.asked())
    assert post(well, CHAT, chat())[0] == 200
    assert time.monotonic() - began >= 0.5 and len(well.asked()) == asked + 1


def test_retry_after_in_all_its_forms(well):
    well.behave(fail=["429"], fail_rate=1.0, retry_after=["2", "date:30", "none"])
    said = [post(well, CHAT, chat(seed=seed))[1].get("retry-after") for seed in range(30)]
    dates = [value for value in said if value and value != "2"]
    assert None in said and "2" in said and dates
    assert all(20 < parsedate_to_datetime(value).timestamp() - time.time() <= 31 for value in dates)


def test_bursts_come_together(well):
    well.behave(burst_rate=0.03, burst_length=10, seed=1)
    statuses = [post(well, CHAT, chat(seed=seed))[0] for seed in range(100)]
    runs = "".join("x" if status == 429 else "." for status in statuses).strip("x").replace(".", " ").split()
    assert runs and all(len(run) % 10 == 0 for run in runs)


def test_faults_depend_on_the_question_and_not_on_the_order(well):
    def fates(order) -> dict[int, list]:
        well.behave(fail=["500", "424:3"], fail_rate=0.5, seed=8)
        got: dict[int, list] = {}
        for seed in [*order, *order]:
            got.setdefault(seed, []).append(post(well, CHAT, chat(seed=seed))[0])
        return got

    first = fates(range(40))
    assert first == fates(range(39, -1, -1))
    statuses = [status for pair in first.values() for status in pair]
    assert 25 < statuses.count(200) < 55 and statuses.count(424) > statuses.count(500) > 0
    assert any(len(set(pair)) > 1 for pair in first.values())


def many(server: ScriptedLLM, count: int) -> list[int]:
    async def run():
        got = await asyncio.gather(*(send(server.url, CHAT, chat(seed=seed)) for seed in range(count)))
        return [status for status, _, _ in got]

    return asyncio.run(run())


def test_capacity_refuses_at_once(well):
    well.behave(capacity=4, latency=1.0)
    began = time.monotonic()
    assert sorted(many(well, 10)) == [200] * 4 + [429] * 6
    assert 1.0 <= time.monotonic() - began < 1.9
    assert json.loads(get(well, "/info")[2])["max_concurrent_requests"] == 4


def test_slow_start_sickness_and_tokens(well):
    well.behave(slow_start=0.7)
    assert [get(well, path)[0] for path in ("/health", "/v1/models")] == [503, 503]
    assert post(well, CHAT, chat())[0] == 503
    time.sleep(0.7)
    assert get(well, "/health")[0] == 200 and post(well, CHAT, chat())[0] == 200
    well.behave(sick=True)
    assert get(well, "/health")[0] == 503
    well.behave(sick=False, token="right")
    assert post(well, CHAT, chat())[0] == 401
    assert post(well, CHAT, chat(), headers={"Authorization": "Bearer right"})[0] == 200


def test_statistics_and_bad_behaviour(tmp_path):
    with ScriptedLLM(tmp_path, latency=0.3, fail=["drop"]) as server:
        assert many(server, 7) == [200] * 7
        server.behave(fail_first=8, latency=0)
        with pytest.raises(aiohttp.ClientError):
            post(server, CHAT, chat())
        counted = server.statistics()
        assert (counted["received"], counted["delivered"], counted["in_flight"]) == (8, 7, 0)
        assert counted["most_in_flight"] == 7 and counted["by_status"] == {"200": 7, "drop": 1}
        for wrong in ({"fial": 1}, {"fail": ["broken"]}, {"latency": "long"}, {"honours": ["all"]}):
            assert post(server, "/scripted/behaviour", wrong)[0] == 400
    wrong = subprocess.run(
        [sys.executable, Path(__file__).with_name("scripted_llm.py"), "--fail", "broken"],
        capture_output=True,
        text=True,
    )
    assert wrong.returncode == 2 and "fail: 'broken'" in wrong.stderr


# The log ---------------------------------------------------------------------------------------------


def test_whoever_has_the_answer_finds_the_line(tmp_path):
    with ScriptedLLM(tmp_path) as server:
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            for seed in range(300):
                body = json.dumps(chat(seed=seed)).encode()
                connection.sendall(
                    b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (CHAT.encode(), len(body)) + body
                )
                connection.recv(1)  # the first byte is enough
                assert server.log.read_bytes().count(b"\n") == seed + 1
                while not connection.recv(1 << 16).endswith(b"}"):
                    pass
        records = server.asked()
    assert [record["seed"] for record in records] == list(range(300))
    assert len({record["digest"] for record in records}) == 300
    assert abs(records[-1]["time"] - time.time()) < 60 and records[0]["authorization"] is None


CLIENT = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def ask(seed):
            body = {"messages": [{"role": "user", "content": "x"}], "seed": seed}
            async with session.post(sys.argv[1], json=body) as response:
                await response.read()
        await asyncio.gather(*map(ask, range(50)))
asyncio.run(main())
"""


def test_a_client_killed_leaves_neither_line_nor_traceback(tmp_path, capfd):
    with ScriptedLLM(tmp_path, latency=1.0) as server:
        client = subprocess.Popen([sys.executable, "-c", CLIENT, server.url + CHAT])
        deadline = time.monotonic() + 30
        while server.statistics()["in_flight"] < 50:
            assert client.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(client.pid, signal.SIGKILL)
        client.wait()
        time.sleep(1.2)
        counted = server.statistics()
        assert (counted["vanished"], counted["delivered"], counted["in_flight"]) == (50, 0, 0)
        assert server.asked() == [] and post(server, CHAT, chat())[0] == 200
    assert capfd.readouterr().err == ""


def test_a_client_that_has_just_gone_leaves_no_line(tmp_path):
    """The server is held while the request and the end of the connection arrive together."""
    with ScriptedLLM(tmp_path) as server:
        parts, body = urlsplit(server.url), json.dumps(chat()).encode()
        for _ in range(20):
            with socket.create_connection((parts.hostname, parts.port)) as connection:
                server.statistics()  # by now the connection is accepted
                os.kill(server.process.pid, signal.SIGSTOP)
                head = f"POST {CHAT} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
            os.kill(server.process.pid, signal.SIGCONT)
        counted = server.statistics()
        assert counted["received"] == counted["vanished"] == 20 and counted["delivered"] == 0
        assert server.asked() == []


def test_requests_one_behind_the_other_and_in_pieces(server):
    parts = urlsplit(server.url)
    body = json.dumps({"inputs": "x", "parameters": {"details": False}}).encode()
    one = b"POST /generate HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(one + one + one[:30])
        time.sleep(0.1)
        connection.sendall(one[30:].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        got = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert got.count(b"HTTP/1.1 200 OK") == 3
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
