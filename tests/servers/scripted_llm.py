"""A deterministic stand-in for LLM servers: TGI's API and OpenAI's, which can be told to misbehave.

The answer depends on prompt and seed alone (answers.py). In tests: `with ScriptedLLM(tmp_path, fail=[429, 503]) as server:
server.url, server.asked()`; the options are those of `behaviour.Behaviour`, and `server.behave(latency=1)` changes them.

A request is in the log before the first byte of its answer leaves, so a client that has the answer finds it there; a client killed
in that moment leaves a line and no record of its own. Errors and answers spoilt by a fault have no line.
"""

import argparse
import asyncio
import json
import resource
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from servers import apis
from servers.answers import answer as answer  # what tests compare with
from servers.behaviour import Behaviour, Faults
from servers.frame import Request, Response, StandIn, break_off

MESSAGES = {"429": "Model is overloaded", "500": "Incomplete generation", "503": "Loading model"}
MESSAGES |= {"402": "You have exceeded your monthly included credits", "424": "Request failed during generation"}
PAGE = "<!DOCTYPE html><html><head><title>Welcome</title></head></html>"
AT_ONCE = ("429", "503")
"""Refused without the latency."""


class ScriptedLLM(StandIn):
    """The server; a context manager.

    Args:
        folder: where the log of delivered answers goes (asked.jsonl); `None`: no log.
        port: where it listens; 0: any free port.
        options: those of `Behaviour`.
    """

    def __init__(self, folder: Path | None, *, port: int = 0, **options: Any) -> None:
        super().__init__(port)
        self.log = None if folder is None else Path(folder) / "asked.jsonl"
        self.by_status: Counter[str] = Counter()
        self.in_flight = self.most_in_flight = 0
        self.behaviour = Behaviour()
        self.behave(**options)

    def __enter__(self) -> Self:
        self._log = None
        if self.log is not None:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self._log = self.log.open("a", buffering=1, encoding="utf-8")
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._log is not None:
            self._log.close()

    def asked(self) -> list[dict[str, Any]]:
        """The requests whose answers were delivered, in order."""
        assert self.log is not None
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def behave(self, **options: Any) -> dict[str, Any]:
        """Change options while it runs; gives all of them as they are then. Faults begin to count anew."""
        self.behaviour = replace(self.behaviour, **options)
        self.faults = Faults(self.behaviour)
        self.starts_until = time.monotonic() + self.behaviour.slow_start
        return asdict(self.behaviour)

    # ------------------------------------------------------------ a request

    async def answer(self, request: Request) -> Response:
        try:
            response = await self._answer(request)
        except apis.Refused as refused:
            body = refused.body(request.path, self.behaviour.flavour)
            headers = self.faults.headers() if refused.kind == "scripted" else None
            response = web.json_response(body, status=refused.status, headers=headers)
        self.by_status[str(response.status)] += 1
        return response

    async def _answer(self, request: Request) -> Response:
        behaviour = self.behaviour
        if behaviour.page:
            return web.Response(status=behaviour.page, text=PAGE, content_type="text/html")
        if behaviour.moved_to:
            return web.Response(status=301, headers={"Location": behaviour.moved_to})
        if time.monotonic() < self.starts_until:
            raise apis.Refused(503, MESSAGES["503"], "unavailable_error")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if behaviour.token and given != behaviour.token:
            raise apis.Refused(401, f"invalid token {given}", "invalid_request_error")
        if request.method == "GET":
            model = {"id": apis.MODEL, "object": "model", "created": 0, "owned_by": "scripted"}
            models = {"object": "list", "data": [model]}
            pages = {"/health": {}, "/info": apis.INFO, "/v1/models": models}
            if request.path in pages:
                return web.json_response(pages[request.path])
        if request.method == "GET" or request.path not in (apis.CHAT, apis.COMPLETIONS, apis.GENERATE):
            raise apis.Refused(404, "not found")
        return await self._generate(request, apis.read(request.path, await request.content.read(), behaviour))

    async def _generate(self, request: Request, question: apis.Question) -> Response:
        behaviour, fault = self.behaviour, self.faults.due(question.digest)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if behaviour.latency and fault not in AT_ONCE:
                await asyncio.sleep(behaviour.latency)
        finally:
            self.in_flight -= 1
        if fault.isdecimal():
            raise apis.Refused(int(fault), MESSAGES.get(fault, "scripted failure"), "scripted")
        answered = ("", "stop", 0) if fault == "empty" else question.answer(behaviour)
        body, headers = apis.answer_body(question, answered, behaviour)
        response = web.json_response(body, headers=headers)
        match fault:
            case "":
                self._record(request, question)
            case "drop" | "drop_middle":
                return await break_off(request, response, 0.6 if fault == "drop_middle" else 0)
            case "truncated":
                response.text = response.text[: len(response.text) // 2]
            case "garbage":
                response.text = "<html>scripted</html>"
        return response

    def _record(self, request: Request, question: apis.Question) -> None:
        if self._log is None:
            return
        headers = {"authorization": "Authorization", "api_key": "api-key", "bill_to": "X-HF-Bill-To"}
        record = {"path": question.path, "prompt": question.prompt, "seed": question.seed}
        record |= {"body": question.body if self.behaviour.log_bodies else None, "most_in_flight": self.most_in_flight}
        record |= {name: request.headers.get(header) for name, header in headers.items()}
        record |= {"query": request.rel_url.raw_query_string}
        self._log.write(json.dumps(record) + "\n")


def main() -> None:
    """`python -m servers.scripted_llm`: prints the address and serves until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--log", type=Path, help="folder for asked.jsonl, a line for each answer delivered")
    parser.add_argument("options", nargs="*", metavar="NAME=JSON", help="options of behaviour.py, such as latency=0.2")
    given = parser.parse_args()
    options = {name: json.loads(value) for name, _, value in (option.partition("=") for option in given.options)}
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # a connection is a file
    with ScriptedLLM(given.log, port=given.port, **options) as server:
        print(server.url, flush=True)
        server.serve()


if __name__ == "__main__":
    main()
