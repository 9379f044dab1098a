"""The scripted LLM at work: what comes in is checked, made to wait, made to fail or answered, logged and counted.

Order of a request: out of order (503), token (401), validation (4xx), capacity (429), fault drawn, latency, answer, log line.
A client that goes away frees its place at once, and its answer is neither sent nor logged.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from dataclasses import asdict
from typing import Any

import scripted_tgi as tgi
from scripted_api import API, Question
from scripted_behaviour import AT_THE_DOOR, Behaviour, Faults
from scripted_http import Connection, Reply, Request
from scripted_tgi import Refused

SAID = {
    "402": "You have exceeded your monthly included credits",
    "424": "Request failed during generation: scripted failure",
    "429": "Model is overloaded",
    "500": "Incomplete generation",
    "503": "Loading model",
}
GENERATING = (*tgi.GENERATE_PATHS, "/v1/chat/completions", "/v1/completions")


class Server:
    """All connections' server.

    Args:
        behaviour: how it begins; POST /scripted/behaviour changes it.
        log: file for one JSON line per delivered answer; `None`: no log.
    """

    def __init__(self, behaviour: Behaviour, log: str | None = None) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if log else None
        self.by_status: Counter[str] = Counter()
        self.received = self.delivered = self.vanished = self.in_flight = self.most_in_flight = 0
        self.starts_until = time.monotonic() + behaviour.slow_start
        self.behave(behaviour)

    def behave(self, behaviour: Behaviour) -> None:
        """From now on; what faults have counted so far is forgotten."""
        self.behaviour, self.api, self.faults = behaviour, API(behaviour), Faults(behaviour)

    # ------------------------------------------------------------ a request

    def receive(self, connection: Connection, request: Request) -> None:
        """Answer a request, now or later."""
        if request.path.startswith("/scripted/"):
            return connection.send(self._control(request))
        try:
            if self.behaviour.page:
                body = b"<!DOCTYPE html><html><head><title>Welcome</title></head></html>"
                return connection.send(Reply(self.behaviour.page, body, content_type="text/html"))
            if self.behaviour.moved_to:
                return connection.send(Reply(301, b"", {"Location": self.behaviour.moved_to}))
            if self.behaviour.sick or time.monotonic() < self.starts_until:
                raise Refused(503, SAID["503"], "unavailable_error")
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if self.behaviour.token and given != self.behaviour.token and request.path != "/health":
                raise Refused(401, f"invalid token {given}", "invalid_request_error")
            if request.method == "GET":
                return self._send(connection, self._get(request.path))
            if request.path in ("/tokenize", "/chat_tokenize"):
                return self._send(connection, self._tokenize(request))
            if request.path not in GENERATING:
                raise Refused(404, "not found")
            self._generate(connection, request)
        except Refused as refused:
            self._send(connection, self.api.error(request.path, refused))

    def _generate(self, connection: Connection, request: Request) -> None:
        self.received += 1
        question = self.api.read(request.path, request.body)
        if self.behaviour.capacity and self.in_flight >= self.behaviour.capacity:
            raise Refused(429, SAID["429"], "overloaded")
        fault = self.faults.due(question.digest)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        wait = self.behaviour.latency
        if fault is not None:
            wait = 0.0 if fault[0] in AT_THE_DOOR else wait + self.behaviour.stall * (fault[0] == "stall")
        if not wait:
            return self._finish(connection, request, question, fault)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(wait, self._finish, connection, request, question, fault)

        def client_vanished() -> None:
            timer.cancel()
            self.in_flight -= 1
            self.vanished += 1

        connection.on_lost = client_vanished

    def _finish(
        self, connection: Connection, request: Request, question: Question, fault: tuple[str, dict[str, str]] | None
    ) -> None:
        self.in_flight -= 1
        connection.on_lost = None
        kind, headers = fault or ("", {})
        if kind.isdecimal():
            said = SAID.get(kind, "scripted failure")
            reply = self.api.error(request.path, Refused(int(kind), said, "scripted"), headers)
            return self._send(connection, reply)
        try:
            answers = self.api.answers(question)
        except Refused as refused:
            return self._send(connection, self.api.error(request.path, refused))
        if kind == "empty":
            answers = [("", "stop", 0) for _ in answers]
        reply = self.api.reply(question, answers)
        if kind and kind != "stall" and spoil(reply, kind, question.path):
            return self._send(connection, reply, kind)
        if not connection.alive:
            self.vanished += 1
            return connection.transport.abort()
        if self.log is not None:
            os.write(self.log, self._line(request, question))
        self._send(connection, reply)

    def _line(self, request: Request, question: Question) -> bytes:
        record: dict[str, Any] = {
            "time": time.time(),
            "path": question.path,
            "digest": question.digest.hex(),
            "prompt": question.prompt,
            "seed": question.seed,
            "authorization": request.headers.get("authorization"),
            "api_key": request.headers.get("api-key"),
            "query": request.query,
            "most_in_flight": self.most_in_flight,
        }
        if self.behaviour.log_bodies:
            record["body"] = question.body
        return json.dumps(record).encode() + b"\n"

    def _send(self, connection: Connection, reply: Reply, fault: str = "") -> None:
        if reply.status == 200 and not fault and connection.request.path in GENERATING:  # type: ignore[union-attr]
            self.delivered += 1
        self.by_status[fault or str(reply.status)] += 1
        connection.send(reply)

    # ------------------------------------------------------------ what is not generation

    def _get(self, path: str) -> Reply:
        model = {"id": self.behaviour.model, "object": "model", "created": 0, "owned_by": "scripted"}
        bodies: dict[str, Any] = {"/info": tgi.info(self.behaviour), "/v1/models": {"object": "list", "data": [model]}}
        if path == "/health":
            return Reply(200)
        if path == "/metrics":
            lines = [f'tgi_request_count{{status="{s}"}} {n}' for s, n in sorted(self.by_status.items())]
            lines += [f"tgi_request_success {self.delivered}", f"tgi_batch_current_size {self.in_flight}"]
            return Reply(200, "\n".join([*lines, ""]).encode(), content_type="text/plain")
        if path not in bodies:
            raise Refused(405 if path in GENERATING else 404, "not found")
        return Reply(200, json.dumps(bodies[path]).encode())

    def _tokenize(self, request: Request) -> Reply:
        question = self.api.read("/generate" if request.path == "/tokenize" else "/v1/chat/completions", request.body)
        tokens: Any = tgi.tokenize(question.prompt)
        if request.path == "/chat_tokenize":
            tokens = {"tokenize_response": tokens, "templated_text": question.prompt}
        return Reply(200, json.dumps(tokens).encode())

    def _control(self, request: Request) -> Reply:
        body: Any
        if request.path == "/scripted/statistics":
            names = ("received", "delivered", "vanished", "in_flight", "most_in_flight")
            body = {**{name: getattr(self, name) for name in names}, "by_status": self.by_status}
        elif request.path == "/scripted/behaviour":
            try:
                if request.method == "POST":
                    values = json.loads(request.body)
                    self.behave(self.behaviour.changed(values))
                    if "slow_start" in values:
                        self.starts_until = time.monotonic() + self.behaviour.slow_start
            except (ValueError, TypeError, AttributeError) as error:
                return Reply(400, json.dumps({"error": str(error)}).encode())
            body = asdict(self.behaviour)
        else:
            return Reply(404)
        return Reply(200, json.dumps(body).encode())


def spoil(reply: Reply, kind: str, path: str) -> bool:
    """Put a fault into an answer; False: this fault leaves it as it is."""
    if kind == "stream_error":
        if reply.chunks is None:
            return False
        said = {"error": SAID["424"], "error_type": "generation"}
        reply.chunks = [*reply.chunks[: len(reply.chunks) // 2], f"data: {json.dumps(said)}\n\n".encode()]
    elif kind in ("drop", "reset"):
        reply.sent, reply.reset = 0.0, kind == "reset"
    elif kind == "drop_middle":
        reply.sent = 0.6
    elif kind == "truncated":
        whole = b"".join(reply.chunks or [reply.body])
        reply.chunks, reply.body = None, whole[: len(whole) // 2]
    elif kind in ("garbage", "wrong_shape"):
        reply.chunks = None
        reply.body = b"<html>scripted</html>" if kind == "garbage" else b'{"choices": [{"scripted": true}]}'
    return True
