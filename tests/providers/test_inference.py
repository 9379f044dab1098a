"""The server providers: the real clients against a real server on loopback."""

from __future__ import annotations

import json
import time
import warnings
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from servers.scripted_llm import ScriptedLLM, answer
from teachers import complete, request, specs

from silly_llm.core import registry
from silly_llm.core.errors import RecipeError
from silly_llm.providers.base import Completion, RequestFailed
from silly_llm.providers.server.answers import InvalidAnswer, validated
from silly_llm.providers.server.http import headers_for


@pytest.mark.parametrize("name", specs(""))
def test_answers_in_order_with_seed_and_counts(server, name):
    answers = complete(specs(server.url)[name], [request(seed, max_tokens=400) for seed in range(20)])
    prompt = 'Tell of "dog".' + ("\n\n" if name == "tgi-generate" else "")
    for seed, got in enumerate(answers):
        text, reason, tokens = answer(prompt, seed, 400)
        assert (got.text, got.finish_reason, got.completion_tokens) == (text, reason, tokens)
    assert all(got.model for got in answers)
    cut, greedy = complete(specs(server.url)[name], [request(max_tokens=5), request(temperature=0.0)])
    assert cut.finish_reason == "length" and isinstance(greedy, Completion)


def test_the_saved_token_goes_to_hugging_face_alone(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_mine")
    for spec in specs(server.url).values():
        complete(spec, [request(99)])
    complete({**specs(server.url)["openai"], "api_key": "sk-given"}, [request(98)])
    records = server.asked()
    assert not any("hf_secret" in (record["authorization"] or "") for record in records)
    assert [r["authorization"] for r in records if r["seed"] == 98] == ["Bearer sk-given"]
    for url, trusted in {
        "https://router.huggingface.co/v1": True,
        "https://x.endpoints.huggingface.cloud": True,
        "http://huggingface.co": False,
        "https://huggingface.co.evil.com": False,
    }.items():
        assert ("Authorization" in headers_for(url, None)) is trusted, url


@pytest.mark.parametrize("key", ["sk-of-together", "hf_mine"])
def test_a_provider_is_asked_by_itself_with_its_own_key_and_else_by_the_router(server, monkeypatch, key):
    from huggingface_hub import constants
    from huggingface_hub.hf_api import InferenceProviderMapping
    from huggingface_hub.inference import _providers

    names = {"provider": "together", "providerId": "a/b-turbo", "hf_model_id": "a/b"}
    mapping = InferenceProviderMapping(**names, task="conversational", status="live")
    monkeypatch.setitem(_providers._common.HARDCODED_MODEL_INFERENCE_MAPPING, "together", {"a/b": mapping})
    itself, router = (server.url, "http://nowhere") if key.startswith("sk") else ("http://nowhere", server.url)
    monkeypatch.setattr(_providers.PROVIDERS["together"]["conversational"], "base_url", itself)
    monkeypatch.setattr(constants, "INFERENCE_PROXY_TEMPLATE", router)
    spec = {"type": "hf-inference", "model": "a/b", "provider": "together", "bill_to": "us", "api_key": key}
    with warnings.catch_warnings(record=True, action="always") as said:
        assert isinstance(complete(spec, [request(97)])[0], Completion)
    record = [record for record in server.asked() if record["seed"] == 97][-1]
    assert (record["authorization"], record["bill_to"]) == (f"Bearer {key}", "us")
    assert record["body"]["model"] == "a/b-turbo" and bool(said) == key.startswith("sk"), "no Hugging Face bill"


@pytest.mark.parametrize("spec", [{"provider": "nobody"}, {"api_key": "sk-of-nobody"}])
def test_what_the_hub_client_does_not_send_is_fatal(spec):
    (got,) = complete({"type": "hf-inference", "model": "a/b", "attempts": 1000, **spec}, [request()])
    assert got.fatal and ("'nobody' not supported" in got.reason or "non-Hugging Face API key" in got.reason)


@pytest.mark.parametrize("kind", ["429", "503", "500", "424", "garbage", "drop"])
@pytest.mark.parametrize("name", ["openai", "tgi-generate", "hf-inference"])
def test_what_may_pass_is_tried_again(tmp_path, name, kind):
    with ScriptedLLM(tmp_path, fail=[kind], fail_first=5) as server:
        answers = complete(specs(server.url)[name], [request(seed) for seed in range(5)])
        assert all(isinstance(got, Completion) for got in answers), answers
        assert len(server.asked()) == 5


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_honoured(tmp_path, date):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    with ScriptedLLM(tmp_path, fail=["429"], fail_first=1, retry_after=soon if date else "1") as server:
        spec, started = {**specs(server.url)["openai"], "first_wait": 0.0}, time.monotonic()
        assert isinstance(complete(spec, [request()])[0], Completion)
        assert time.monotonic() - started >= 1.0, "at least, also of a date in whole seconds"


@pytest.mark.parametrize(
    ("status", "fatal", "options"),
    [
        *((status, True, {}) for status in ("401", "403", "404")),
        *((status, False, {}) for status in ("422", "400")),
        ("503", False, {"attempts": 3}),
    ],
)
def test_what_cannot_pass_fails_and_only_that_request_unless_it_is_fatal(tmp_path, status, fatal, options):
    with ScriptedLLM(tmp_path, fail=[status], fail_first=3 if options else 1) as server:
        spec = {**specs(server.url)["openai"], "api_key": "sk-my-secret", "concurrency": 1, **options}
        (got,), (after,) = complete(spec, [request(0)]), complete(spec, [request(1)])
        assert isinstance(got, RequestFailed) and got.fatal is fatal and f"HTTP {status}" in got.reason
        assert isinstance(after, Completion), "tried once, or as often as the recipe says"


@pytest.mark.parametrize("name", ["openai", "hf-inference"])
def test_no_server_is_fatal_soon(name):
    spec = {"type": name, "base_url": "http://127.0.0.1:9/v1", "model": "x", "attempts": 1000}
    (got,) = complete(spec, [request()])
    assert got.fatal and "no server answers" in got.reason


@pytest.mark.parametrize(("name", "concurrency"), [("openai", 2), ("openai", 150), ("hf-inference", 150)])
def test_concurrency_is_bounded_and_used(tmp_path, name, concurrency):
    """150: many a client's limit of 100 connections lies below ours."""
    with ScriptedLLM(tmp_path, latency=1.5 if concurrency > 100 else 0.05) as server:
        limits = {"concurrency": concurrency, "max_concurrency": concurrency}  # else the limit would grow
        complete({**specs(server.url)[name], **limits}, [request(seed) for seed in range(concurrency * 2)])
        most = max(record["most_in_flight"] for record in server.asked())
        assert most == 2 if concurrency == 2 else 100 < most <= 150


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"type": "openai", "base_url": "http://127.0.0.1:1"}, "base_url and model"),
        ({"type": "openai", "model": "x"}, "base_url and model"),
        ({"type": "openai", "model": "x", "base_url": "localhost:8000"}, "expected http"),
        ({"type": "tgi", "api": "native"}, "api: expected one of"),
        ({"type": "hf-inference"}, "model is needed"),
        ({"type": "hf-inference", "model": "m", "query": {"a": "b"}}, "sends none without a base_url"),
        ({"type": "hf-inference", "model": "m", "bill_to": "a\nb"}, "bill_to"),
        ({"type": "openai", "model": "x", "base_url": "http://h", "concurrency": 0}, "at least 1"),
        ({"type": "openai", "model": "x", "base_url": "http://h", "temprature": 0}, "temprature"),
        ({"type": "openai", "model": "x", "base_url": "http://h", "price_per_million": {"prompts": 1}}, "prompts"),
        ({"type": "openai", "model": "x", "base_url": "http://h", "price_per_million": {"prompt": -1}}, "negative"),
    ],
)
def test_bad_options_are_recipe_errors(spec, said):
    with pytest.raises(RecipeError, match=said):
        registry.parse_component("llm_provider", spec)


# --- answers under a JSON schema, whatever form the server honours

SCHEMA = {
    "type": "object",
    "properties": {"words": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
    "required": ["words"],
    "additionalProperties": False,
}


def ask_for_json(spec: dict, count: int) -> list:
    question = 'List ten nouns. Answer as JSON: {"words": ["…"]}.'
    spec = {"first_wait": 0.0, "max_concurrency": 1, "concurrency": 1, **spec}
    return complete(spec, [request(seed, question, schema=SCHEMA) for seed in range(count)], at_once=1)


@pytest.mark.parametrize(
    ("type", "behaviour", "spec", "asked"),
    [
        ("openai", {"honours": "openai"}, {}, 3),
        ("openai", {"honours": "llama.cpp"}, {}, 4),  # OpenAI's form is ignored once
        ("openai", {"honours": "llama.cpp"}, {"structured": "llama.cpp"}, 3),
        ("openai", {"honours": "tgi", "flavour": "tgi"}, {}, None),  # TGI refuses OpenAI's form
        ("openai", {"honours": "none", "json_when_asked": 1.0}, {}, None),
        ("tgi", {"honours": "tgi", "flavour": "tgi"}, {}, 3),
        ("tgi", {"honours": "tgi", "flavour": "tgi"}, {"api": "generate"}, 3),
        ("hf-inference", {"honours": "none", "json_when_asked": 1.0}, {}, None),
    ],
)
def test_every_server_gives_valid_json(tmp_path, type, behaviour, spec, asked):
    with ScriptedLLM(tmp_path, **behaviour) as server:
        more = {"model": "scripted"} if type == "openai" else {}
        answers = ask_for_json({"type": type, "base_url": server.url, **more, **spec}, 3)
        assert all(isinstance(answer, Completion) for answer in answers), answers
        assert all(json.loads(answer.text)["words"] for answer in answers)
        assert asked is None or len(server.asked()) == asked


def test_a_server_that_cannot_give_json_is_given_up(tmp_path):
    with ScriptedLLM(tmp_path, honours="none") as server:
        (answer,) = ask_for_json({**specs(server.url)["openai"], "attempts": 5}, 1)
        assert isinstance(answer, RequestFailed) and "not JSON" in answer.reason and not answer.fatal


def test_what_comes_back_is_validated():
    fenced = Completion('```json\n{"words": ["dog"]}\n```', "stop", 1, 1, "m")
    assert validated(fenced, SCHEMA).text == '{"words": ["dog"]}'
    for text, said in {"dog": "JSON", '{"words": []}': "valid", '{"words": ["a"], "b": 1}': "valid"}.items():
        with pytest.raises(InvalidAnswer, match=f"not {said}"):
            validated(Completion(text, "stop", 1, 1, "m"), SCHEMA)
