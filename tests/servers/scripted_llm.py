"""A deterministic stand-in for LLM servers: TGI's /generate, /info and /health, and OpenAI's chat, on loopback.

The answer depends on prompt and seed alone. Every answer that was delivered is a line in the log file, so a test can
see what was asked, how often, and with which token. It can be told to misbehave.

    python tests/servers/scripted_llm.py --log asked.jsonl        # prints its address

In tests: `with ScriptedLLM(tmp_path, fail=[429, 503]) as server: server.url, server.asked()`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from aiohttp import web

MODEL = "scripted"
WORD_LINES = {
    "noun": "apple ball cake dog egg fish garden hat ice jar kite lamp moon nest onion pig queen river sun tree",
    "verb": "ask bake clap dance eat find give help jump kick laugh make nod open paint run sing talk visit walk",
    "adjective": "big calm dark early funny green happy kind little muddy new old pink quick red sad tall warm",
}
WORDS = {pos: line.split() for pos, line in WORD_LINES.items()}
UNFIT = ["banana split", "xqzzw", "extraterrestrially", "a", "damn", "running2"]
OPENINGS = ["Once upon a time", "One day", "Long ago", "On a sunny morning", "In a small house"]
NAMES = ["Tim", "Mia", "Ben", "Lily", "Sam", "Anna"]


def schema_of(body: dict[str, Any], honours: str) -> dict[str, Any] | None:
    """The JSON schema of a request, if it comes in a form that the server honours; other forms it ignores silently."""
    form = body.get("response_format") or {}
    kind = form.get("type")
    if honours == "openai" and kind == "json_schema":
        return form["json_schema"]["schema"]
    if honours == "llama.cpp" and kind == "json_object":
        return form.get("schema")
    if honours == "tgi" and kind == "json":
        return form["value"]
    return None


def under_schema(schema: dict[str, Any], words: list[str], draw: random.Random) -> Any:
    """A value that is valid under a simple schema; its strings are `words`, or one of them."""
    if "enum" in schema:
        return draw.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "object":
        return {name: under_schema(inner, words, draw) for name, inner in schema["properties"].items()}
    if kind == "array":
        inner = schema["items"]
        return (
            words if inner.get("type") == "string" else [under_schema(inner, words, draw) for _ in range(2)]
        )
    if kind in ("integer", "number"):
        return draw.randint(schema.get("minimum", 0), schema.get("maximum", 10))
    return draw.choice(words) if kind == "string" else draw.random() < 0.5


def answer(prompt: str, seed: int, max_tokens: int) -> tuple[str, str, int]:
    """Text, finish reason and tokens, from prompt and seed."""
    draw = random.Random(int.from_bytes(hashlib.sha256(f"{seed}|{prompt}".encode()).digest()[:8], "big"))
    asked = re.search(r"\b(noun|verb|adjective)s\b", prompt)
    if asked and "story" not in prompt:
        words = [*WORDS[asked[1]], *draw.sample(UNFIT, 2)]
        draw.shuffle(words)
        return "\n".join(words), "stop", len(words)
    quoted = re.findall(r'"([a-z]+)"', prompt) or ["dog"]
    name = draw.choice(NAMES)
    sentences = [
        f"{draw.choice(OPENINGS)}, {name} saw a {draw.choice(WORDS['adjective'])} {draw.choice(WORDS['noun'])}."
    ]
    sentences += [
        f"{name} said the word {word} to {draw.choice(NAMES)}, who was {draw.randrange(10**6)} days old."
        for word in quoted
    ]
    for _ in range(draw.randint(6, 12)):
        verb, noun, adjective = (draw.choice(WORDS[pos]) for pos in ("verb", "noun", "adjective"))
        sentences.append(f"They wanted to {verb} near the {adjective} {noun}.")
    words = " ".join(sentences).split()
    cut = words[:max_tokens]
    return " ".join(cut), "stop" if len(cut) == len(words) else "length", len(cut)


class Script:
    """What the server does besides answering."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.log = Path(options.log).open("a", encoding="utf-8") if options.log else None  # noqa: SIM115
        self.draw = random.Random(options.seed)
        self.received = 0
        self.began = time.monotonic()
        self.made: list[tuple[str, str, int]] = []
        self.in_flight = self.most_in_flight = 0

    def answer(self, prompt: str, seed: int, max_tokens: int) -> tuple[str, str, int]:
        if not self.options.cheap_answers:
            return answer(prompt, seed, max_tokens)
        if not self.made:
            self.made = [answer("Tell a story.", seed, max_tokens) for seed in range(256)]
        return self.made[seed % 256]

    async def misbehave(self, request: web.Request) -> web.Response | None:
        """A failure in the place of an answer, if one is due."""
        self.received += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._misbehave(request)
        finally:
            self.in_flight -= 1

    async def _misbehave(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.options.token and given != self.options.token:
            return web.json_response({"error": f"invalid token {given}"}, status=401)
        if time.monotonic() - self.began < self.options.slow_start:
            return web.json_response({"error": "still loading", "error_type": "overloaded"}, status=503)
        if (
            self.options.capacity and self.in_flight > self.options.capacity
        ):  # TGI: at once, without Retry-After
            return web.json_response({"error": "Model is overloaded", "error_type": "overloaded"}, status=429)
        await asyncio.sleep(self.options.latency)
        if self.options.stall and self.draw.random() < self.options.stall:
            await asyncio.sleep(3600)
        due = (
            self.options.sick
            or self.received <= self.options.fail_first
            or self.draw.random() < self.options.fail_rate
        )
        if not due or not self.options.fail:
            return None
        kind = self.draw.choice(self.options.fail)
        if kind == "garbage":
            return web.Response(text='{"choices": [', content_type="application/json")
        if kind == "truncate":
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"choices": [{"message": {"content": "Once')
            assert request.transport is not None
            request.transport.abort()
            return response
        if kind == "drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        headers = {"Retry-After": self.options.retry_after} if self.options.retry_after else {}
        error = {"error": "scripted failure", "error_type": "overloaded" if kind == "429" else "generation"}
        return web.json_response(error, status=int(kind), headers=headers)

    def note(self, request: web.Request, prompt: str, seed: int) -> None:
        """Log an answer that is about to go out: a client that has it can read its line."""
        if self.log:
            record = {
                "path": request.path,
                "prompt": prompt,
                "seed": seed,
                "authorization": request.headers.get("authorization"),
                "most_in_flight": self.most_in_flight,
            }
            self.log.write(json.dumps(record) + "\n")
            self.log.flush()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        if failure := await self.misbehave(request):
            return failure
        body = await request.json()
        if body.get("model") == "missing":
            return web.json_response(
                {"error": {"message": "The model `missing` does not exist", "code": 404}}, status=404
            )
        if not isinstance(body.get("messages"), list) or not body["messages"]:
            return web.json_response(
                {"error": "messages are required", "error_type": "validation"}, status=422
            )
        prompt = "\n".join(message["content"] for message in body["messages"])
        seed = body.get("seed") or 0
        text, reason, tokens = self.answer(prompt, seed, body.get("max_tokens") or 1024)
        if schema := schema_of(body, self.options.honours):
            draw = random.Random(seed)
            text = json.dumps(under_schema(schema, text.split("\n"), draw))
        if self.options.empty and self.draw.random() < self.options.empty:
            text, reason = "", "stop"
        used = {
            "prompt_tokens": len(prompt.split()),
            "completion_tokens": tokens,
            "total_tokens": len(prompt.split()) + tokens,
        }
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": reason,
            "logprobs": None,
        }
        whole = {
            "id": "",
            "object": "chat.completion",
            "created": 0,
            "model": MODEL,
            "system_fingerprint": "",
            "choices": [choice],
        }
        return await self.deliver(request, {**whole, "usage": used}, prompt, seed)

    async def completions(self, request: web.Request) -> web.StreamResponse:
        if failure := await self.misbehave(request):
            return failure
        body = await request.json()
        prompt, seed = body["prompt"], body.get("seed") or 0
        text, reason, tokens = self.answer(prompt, seed, body.get("max_tokens") or 16)
        used = {"prompt_tokens": len(prompt.split()), "completion_tokens": tokens}
        choice = {"index": 0, "text": text, "finish_reason": reason, "logprobs": None}
        whole = {"id": "", "object": "text_completion", "created": 0, "model": MODEL, "choices": [choice]}
        return await self.deliver(request, {**whole, "usage": used}, prompt, seed)

    async def models(self, request: web.Request) -> web.Response:
        if time.monotonic() - self.began < self.options.slow_start:
            return web.Response(status=503)
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def behave(self, request: web.Request) -> web.Response:
        """Change options at run time, so that a test can make a server sick and well again."""
        vars(self.options).update(await request.json())
        return web.Response()

    async def generate(self, request: web.Request) -> web.StreamResponse:
        if failure := await self.misbehave(request):
            return failure
        body = await request.json()
        parameters = body.get("parameters") or {}
        if parameters.get("temperature") is not None and parameters["temperature"] <= 0:
            error = {
                "error": "Input validation error: `temperature` must be strictly positive",
                "error_type": "validation",
            }
            return web.json_response(error, status=422)
        seed = parameters.get("seed") or 0
        text, reason, tokens = self.answer(body["inputs"], seed, parameters.get("max_new_tokens") or 1024)
        reason = "eos_token" if reason == "stop" else reason
        details = {
            "finish_reason": reason,
            "generated_tokens": tokens,
            "seed": seed,
            "prefill": [],
            "tokens": [],
        }
        result: dict[str, Any] = {"generated_text": text}
        if parameters.get("details", True):
            result["details"] = details
        return await self.deliver(request, result, body["inputs"], seed)

    async def deliver(self, request: web.Request, body: Any, prompt: str, seed: int) -> web.StreamResponse:
        """Send an answer; it is logged between its head and its body, unless the client is gone by then."""
        response = web.json_response(body)
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            if request.transport is None or request.transport.is_closing():
                return response
            self.note(request, prompt, seed)
            await response.write_eof()
        return response

    async def info(self, request: web.Request) -> web.Response:
        sizes = {
            "max_concurrent_requests": 128,
            "max_best_of": 2,
            "max_stop_sequences": 4,
            "max_input_tokens": 1024,
        }
        more = {
            "max_total_tokens": 2048,
            "validation_workers": 2,
            "max_client_batch_size": 4,
            "version": "3.3.6",
        }
        return web.json_response({"model_id": MODEL, "router": "text-generation-router", **sizes, **more})

    async def health(self, request: web.Request) -> web.Response:
        sick = self.options.sick or time.monotonic() - self.began < self.options.slow_start
        return web.Response(status=503 if sick else 200)

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", self.chat), web.post("/generate", self.generate)])
        app.add_routes([web.get("/info", self.info), web.get("/health", self.health)])
        app.add_routes([web.post("/v1/completions", self.completions), web.get("/v1/models", self.models)])
        app.add_routes([web.post("/scripted/behaviour", self.behave)])
        return app


class ScriptedLLM:
    """The server in a process of its own; a context manager.

    Args:
        folder: where the log goes.
        options: command line options by name (`latency`, `fail`, `fail_rate`, `fail_first`, `retry_after`, `token`).
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.log = Path(folder) / "asked.jsonl"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.arguments = ["--log", str(self.log)]
        for name, value in options.items():
            if value is False:  # log=False: none
                self.arguments = self.arguments[2:]
                continue
            if value is True:
                self.arguments.append(f"--{name}")
                continue
            values = value if isinstance(value, list) else [value]
            self.arguments += [f"--{name}", *map(str, values)]

    def __enter__(self) -> ScriptedLLM:
        command = [sys.executable, __file__, *self.arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def behave(self, **options: Any) -> None:
        """Change options of the running server."""
        body = json.dumps(options).encode()
        post = urllib.request.Request(
            self.url + "/scripted/behaviour", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(post).read()

    def asked(self) -> list[dict[str, Any]]:
        """The requests whose answers were delivered, in order."""
        return (
            [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
            if self.log.exists()
            else []
        )


async def serve(options: argparse.Namespace) -> None:
    runner = web.AppRunner(Script(options).application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", options.port, backlog=1024)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--log", help="file for delivered requests (JSON lines)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer")
    parser.add_argument("--token", help="refuse requests without this token (401)")
    parser.add_argument("--fail", nargs="*", default=[], help="HTTP statuses, garbage, drop, truncate")
    parser.add_argument(
        "--sick", action="store_true", help="every request fails, and so does the health check"
    )
    parser.add_argument("--stall", type=float, default=0.0, help="share of requests that are never answered")
    parser.add_argument("--empty", type=float, default=0.0, help="share of chat answers that are empty")
    parser.add_argument("--capacity", type=int, default=0, help="most requests in flight, 429 for others")
    parser.add_argument("--slow_start", type=float, default=0.0, help="seconds of 503 in the beginning")
    parser.add_argument(
        "--honours", default="openai", help="form of JSON schemas: openai, llama.cpp, tgi, none"
    )
    parser.add_argument("--cheap_answers", action="store_true", help="ready-made stories, for benchmarks")
    parser.add_argument("--fail_rate", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument("--fail_first", type=int, default=0, help="how many requests fail at first")
    parser.add_argument("--retry_after", help="value of the Retry-After header of failures")
    parser.add_argument("--seed", type=int, default=0)
    asyncio.run(serve(parser.parse_args()))
