"""Answers under a JSON schema, whatever form the server honours."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from silly_llm.core.container import Container
from silly_llm.providers.base import ChatRequest, Completion, RequestFailed
from silly_llm.providers.server.structured import InvalidAnswer, validated

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from scripted_llm import ScriptedLLM

SCHEMA = {
    "type": "object",
    "properties": {"words": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
    "required": ["words"],
    "additionalProperties": False,
}


def ask(spec: dict, count: int = 3) -> list:
    provider = Container().build("llm_provider", {"first_wait": 0.0, "max_concurrency": 1, "concurrency": 1, **spec})
    question = ({"role": "user", "content": 'List ten nouns. Answer as JSON: {"words": ["…"]}.'},)

    async def run():
        try:
            await provider.prepare()
            requests = [ChatRequest(question, seed=i, schema=SCHEMA) for i in range(count)]
            return [answer for request in requests for answer in await provider.complete([request])]
        finally:
            await provider.aclose()

    return asyncio.run(run())


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
        answers = ask({"type": type, "base_url": server.url, **more, **spec})
        assert all(isinstance(answer, Completion) for answer in answers), answers
        assert all(json.loads(answer.text)["words"] for answer in answers)
        if asked is not None:
            assert len(server.asked()) == asked


def test_a_server_that_cannot_is_given_up(tmp_path):
    with ScriptedLLM(tmp_path, honours="none") as server:
        (answer,) = ask({"type": "openai", "base_url": server.url, "model": "scripted", "attempts": 5}, 1)
        assert isinstance(answer, RequestFailed) and "not JSON" in answer.reason and not answer.fatal


def test_validation():
    good = Completion('```json\n{"words": ["dog"]}\n```', "stop", 1, 1, "m")
    assert validated(good, SCHEMA).text == '{"words": ["dog"]}'
    for text, said in (("dog", "not JSON"), ('{"words": []}', "not valid"), ('{"words": ["a"], "b": 1}', "not valid")):
        with pytest.raises(InvalidAnswer, match=said):
            validated(Completion(text, "stop", 1, 1, "m"), SCHEMA)
