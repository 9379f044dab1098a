"""How tests ask the scripted LLM, and the schema that they ask with."""

from __future__ import annotations

import asyncio
import json

import aiohttp
from scripted_llm import ScriptedLLM

CHAT = "/v1/chat/completions"
SCHEMA = {
    "type": "object",
    "properties": {"words": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
    "required": ["words"],
    "additionalProperties": False,
}


def chat(text: str = 'Tell of "dog".', seed: int = 1, **more) -> dict:
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], "seed": seed, **more}


async def send(url: str, path: str, body: object = None, *, method: str = "POST", **more):
    """Status, headers, body."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    async with aiohttp.ClientSession() as session, session.request(method, url + path, data=data, **more) as response:
        return response.status, response.headers, await response.read()


def post(server: ScriptedLLM, path: str, body: object, **more):
    status, headers, got = asyncio.run(send(server.url, path, body, **more))
    return status, headers, json.loads(got) if headers["content-type"] == "application/json" else got.decode()


def get(server: ScriptedLLM, path: str):
    return asyncio.run(send(server.url, path, method="GET"))


def text_of(body: dict) -> str:
    return body["choices"][0]["message"]["content"]


def events(text: str) -> list[dict]:
    """The data of server-sent events."""
    lines = [line for line in text.split("\n\n") if line]
    assert all(line.startswith("data:") for line in lines)
    return [json.loads(line[5:]) for line in lines if line != "data: [DONE]"]
