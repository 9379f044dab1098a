"""A deterministic stand-in for LLM servers: TGI's /generate, /info and /health, and OpenAI's chat, on loopback.

The answer depends on prompt and seed alone. Every answer that was delivered is a line in the log file, so a test can
see what was asked, how often, and with which token. It can be told to misbehave.

    python tests/servers/scripted_llm.py --log asked.jsonl        # prints its address

In tests: `with ScriptedLLM(tmp_path, fail=[429, 503]) as server: server.url, server.asked()`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import subprocess
import sys
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
        self.in_flight = self.most_in_flight = 0

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
        await asyncio.sleep(self.options.latency)
        due = self.received <= self.options.fail_first or self.draw.random() < self.options.fail_rate
        if not due or not self.options.fail:
            return None
        kind = self.draw.choice(self.options.fail)
        if kind == "garbage":
            return web.Response(text='{"choices": [', content_type="application/json")
        if kind == "drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        headers = {"Retry-After": self.options.retry_after} if self.options.retry_after else {}
        error = {"error": "scripted failure", "error_type": "overloaded" if kind == "429" else "generation"}
        return web.json_response(error, status=int(kind), headers=headers)

    def delivered(self, request: web.Request, prompt: str, seed: int) -> None:
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
        text, reason, tokens = answer(prompt, seed, body.get("max_tokens") or 1024)
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
        text, reason, tokens = answer(body["inputs"], seed, parameters.get("max_new_tokens") or 1024)
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
        """Send an answer, and log it when it has gone out."""
        response = web.json_response(body)
        await response.prepare(request)
        await response.write_eof()
        self.delivered(request, prompt, seed)
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
        return web.Response()

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", self.chat), web.post("/generate", self.generate)])
        app.add_routes([web.get("/info", self.info), web.get("/health", self.health)])
        return app


class ScriptedLLM:
    """The server in a process of its own; a context manager.

    Args:
        folder: where the log goes.
        options: command line options by name (`latency`, `fail`, `fail_rate`, `fail_first`, `retry_after`, `token`).
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.log = Path(folder) / "asked.jsonl"
        self.arguments = ["--log", str(self.log)]
        for name, value in options.items():
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
    parser.add_argument("--fail", nargs="*", default=[], help="HTTP statuses, garbage, drop")
    parser.add_argument("--fail_rate", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument("--fail_first", type=int, default=0, help="how many requests fail at first")
    parser.add_argument("--retry_after", help="value of the Retry-After header of failures")
    parser.add_argument("--seed", type=int, default=0)
    asyncio.run(serve(parser.parse_args()))
