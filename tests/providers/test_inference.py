"""The server providers: the real clients against a real server on loopback."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from silly_llm.core import registry
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.providers.base import ChatRequest, Completion, RequestFailed
from silly_llm.providers.server.http import is_hugging_face

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from scripted_llm import ScriptedLLM, answer


def request(seed: int = 0, text: str = 'Tell of "dog".', **more) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": text},), seed=seed, **more)


def complete(spec: dict, requests: list[ChatRequest]) -> list:
    provider = Container().build("llm_provider", {"first_wait": 0.01, **spec})

    async def run():
        try:
            await provider.prepare()
            return await provider.complete(requests)
        finally:
            await provider.aclose()

    return asyncio.run(run())


def specs(url: str) -> dict[str, dict]:
    return {
        "openai": {"type": "openai", "base_url": url + "/v1", "model": "scripted"},
        "openai-short": {"type": "openai", "base_url": url, "model": "scripted"},
        "tgi": {"type": "tgi", "base_url": url},
        "tgi-generate": {"type": "tgi", "base_url": url, "api": "generate"},
        "hf-inference": {"type": "hf-inference", "base_url": url},
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ScriptedLLM(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.mark.parametrize("name", ["openai", "openai-short", "tgi", "tgi-generate", "hf-inference"])
def test_answers_in_order_with_seed_and_counts(server, name):
    answers = complete(specs(server.url)[name], [request(seed, max_tokens=400) for seed in range(20)])
    prompt = 'Tell of "dog".' + ("\n\n" if name == "tgi-generate" else "")
    for seed, got in enumerate(answers):
        text, reason, tokens = answer(prompt, seed, 400)
        assert (got.text, got.finish_reason, got.completion_tokens) == (text, reason, tokens)
    assert all(got.model for got in answers)


@pytest.mark.parametrize("name", ["openai", "tgi-generate"])
def test_the_token_limit_shows_in_the_finish_reason(server, name):
    assert complete(specs(server.url)[name], [request(max_tokens=5)])[0].finish_reason == "length"


@pytest.mark.parametrize("name", ["openai", "tgi", "tgi-generate"])
def test_temperature_zero_is_understood(server, name):
    assert isinstance(complete(specs(server.url)[name], [request(temperature=0.0)])[0], Completion)


def test_the_saved_token_goes_to_no_stranger(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_mine")
    for spec in specs(server.url).values():
        complete(spec, [request(99)])
    complete({**specs(server.url)["openai"], "api_key": "sk-given"}, [request(98)])
    records = server.asked()
    assert not any("hf_secret" in (record["authorization"] or "") for record in records)
    assert [r["authorization"] for r in records if r["seed"] == 98] == ["Bearer sk-given"]
    assert is_hugging_face("https://router.huggingface.co/v1") and is_hugging_face(
        "https://x.endpoints.huggingface.cloud"
    )
    assert not is_hugging_face("http://huggingface.co") and not is_hugging_face("https://huggingface.co.evil.com")


@pytest.mark.parametrize("kind", ["429", "503", "500", "424", "garbage", "drop"])
@pytest.mark.parametrize("name", ["openai", "tgi-generate"])
def test_what_may_pass_is_tried_again(tmp_path, name, kind):
    with ScriptedLLM(tmp_path, fail=[kind], fail_first=5) as server:
        answers = complete(specs(server.url)[name], [request(seed) for seed in range(5)])
        assert all(isinstance(got, Completion) for got in answers), answers
        assert len(server.asked()) == 5


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_honoured(tmp_path, date):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    with ScriptedLLM(tmp_path, fail=["429"], fail_first=1, retry_after=soon if date else "1") as server:
        spec = {**specs(server.url)["openai"], "first_wait": 0.0}
        if date:  # only that it waits: the date is far away
            with pytest.raises(asyncio.TimeoutError):
                asyncio.run(asyncio.wait_for(Container().build("llm_provider", spec).complete([request()]), 2))
            return
        started = time.monotonic()
        assert isinstance(complete(spec, [request()])[0], Completion)
        assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("status", ["401", "403", "404"])
def test_what_cannot_pass_is_fatal_and_tried_once(tmp_path, status):
    with ScriptedLLM(tmp_path, fail=[status], fail_first=100) as server:
        (got,) = complete({**specs(server.url)["openai"], "api_key": "sk-my-secret"}, [request()])
        assert isinstance(got, RequestFailed) and got.fatal and f"HTTP {status}" in got.reason


def test_the_token_stays_out_of_messages(tmp_path):
    with ScriptedLLM(tmp_path, token="right") as server:
        (got,) = complete({**specs(server.url)["openai"], "api_key": "sk-wrong-one"}, [request()])
        assert got.fatal and "********" in got.reason and "sk-wrong-one" not in got.reason


@pytest.mark.parametrize("status", ["422", "400"])
def test_a_refused_request_fails_alone(tmp_path, status):
    with ScriptedLLM(tmp_path, fail=[status], fail_first=1) as server:
        first, second = complete({**specs(server.url)["openai"], "concurrency": 1}, [request(0), request(1)])
        assert isinstance(first, RequestFailed) and not first.fatal
        assert isinstance(second, Completion)


def test_no_server_is_fatal_soon():
    started = time.monotonic()
    (got,) = complete({"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "x"}, [request()])
    assert got.fatal and "no server answers" in got.reason
    assert time.monotonic() - started < 10


def test_retries_end(tmp_path):
    with ScriptedLLM(tmp_path, fail=["503"], fail_rate=1.0) as server:
        (got,) = complete({**specs(server.url)["openai"], "attempts": 3}, [request()])
        assert isinstance(got, RequestFailed) and not got.fatal and "HTTP 503" in got.reason


@pytest.mark.parametrize("concurrency", [2, 150])
def test_concurrency_is_bounded_and_used(tmp_path, concurrency):
    """150: the client's own limit of 100 connections lies below ours."""
    with ScriptedLLM(tmp_path, latency=1.5 if concurrency > 100 else 0.05) as server:
        limits = {"concurrency": concurrency, "max_concurrency": concurrency}  # else the limit would grow
        spec = {**specs(server.url)["openai"], **limits}
        complete(spec, [request(seed) for seed in range(concurrency * 2)])
        most = max(record["most_in_flight"] for record in server.asked())
        assert most == 2 if concurrency == 2 else 100 < most <= 150


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "openai", "base_url": "http://127.0.0.1:1"},
        {"type": "openai", "model": "x"},
        {"type": "openai", "model": "x", "base_url": "localhost:8000"},
        {"type": "tgi", "api": "native"},
        {"type": "hf-inference"},
        {"type": "openai", "model": "x", "base_url": "http://h", "concurrency": 0},
        {"type": "openai", "model": "x", "base_url": "http://h", "temprature": 0},
    ],
)
def test_bad_options_are_recipe_errors(spec):
    with pytest.raises(RecipeError):
        registry.parse_component("llm_provider", spec)


def test_the_server_keeps_to_the_api_of_tgi(shared, server):
    import urllib.request

    schemas = json.loads((shared / "tgi" / "openapi.json").read_text())["components"]["schemas"]
    info = json.loads(urllib.request.urlopen(server.url + "/info").read())
    assert set(schemas["Info"]["required"]) <= set(info)
    body = json.dumps({"inputs": "hi", "parameters": {"details": True}}).encode()
    post = urllib.request.Request(server.url + "/generate", body, {"Content-Type": "application/json"})
    got = json.loads(urllib.request.urlopen(post).read())
    assert set(schemas["GenerateResponse"]["required"]) <= set(got)
    assert set(schemas["Details"]["required"]) <= set(got["details"])
