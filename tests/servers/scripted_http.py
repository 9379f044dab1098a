"""HTTP/1.1 for the scripted LLM: an asyncio protocol that can also break its promises.

Models: keep-alive, requests one after the other (also pipelined), bodies of a stated length, server-sent events in chunks,
connections that end too soon. Does not model: chunked requests (411), compression, TLS, the pace of a stream (its events
go out together). It is here because a server that means well sends no half bodies, and for speed: it has to be
faster than the clients that are measured against it (`scripts/benchmarks/generation.py`; docs/lab-log.md has the figures).
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any

PHRASES = {status.value: status.phrase for status in HTTPStatus}
CLOSED = getattr(select, "POLLRDHUP", select.POLLHUP)
"""The client has closed its end; macOS knows no more than POLLHUP."""
LONGEST = 64 << 20
"""Bytes of a request."""


@dataclass
class Request:
    """What came."""

    method: str
    path: str
    """Without the query."""
    headers: dict[str, str]
    """Names in lower case; shared between requests."""
    body: bytes
    query: str = ""


@dataclass
class Reply:
    """What goes out."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    chunks: list[bytes] | None = None
    """Server-sent events, in the place of a body."""
    sent: float | None = None
    """Share of the bytes that go out before the connection is closed; `None`: all, and it stays open."""
    reset: bool = False
    """It is closed by a TCP reset."""

    def encoded(self) -> bytes:
        """The bytes on the wire."""
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        start = f"HTTP/1.1 {self.status} {PHRASES.get(self.status, '')}\r\nContent-Type: {self.content_type}\r\n{more}"
        if self.chunks is None:
            return f"{start}Content-Length: {len(self.body)}\r\n\r\n".encode("latin-1") + self.body
        pieces = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in self.chunks]
        head = f"{start}Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n".encode("latin-1")
        return b"".join([head, *pieces, b"0\r\n\r\n"])


@lru_cache(maxsize=1 << 12)
def parse_head(head: bytes) -> tuple[str, str, str, dict[str, str], int]:
    """Method, path, query, headers and the body's length; a client's heads are much the same, so they are kept.

    Raises:
        ValueError: not HTTP.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    path, _, query = target.partition("?")
    return method, path, query, headers, int(headers.get("content-length", 0))


class Connection(asyncio.Protocol):
    """One client. `receive(connection, request)` is called for each request and sees to it that `send` is called once."""

    def __init__(self, receive: Callable[[Connection, Request], None]) -> None:
        self.receive = receive
        self.buffer = bytearray()
        self.request: Request | None = None
        self.on_lost: Callable[[], None] | None = None
        """Called when the client goes away before its answer."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.socket = transport.get_extra_info("socket")
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.poll()
        self._poll.register(self.socket.fileno(), CLOSED)

    def connection_lost(self, error: Exception | None) -> None:
        if self.on_lost is not None:
            self.on_lost()
            self.on_lost = None

    @property
    def alive(self) -> bool:
        """The client had not closed its end, as far as the kernel knows at this moment."""
        return not self.transport.is_closing() and not self._poll.poll(0)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.request is None:
            self._next()

    def _next(self) -> None:
        """Take the next request out of the buffer, if it is there as a whole."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or self.request is not None:
            return
        try:
            method, path, query, headers, length = parse_head(bytes(self.buffer[:end]))
        except ValueError:
            return self._refuse(400)
        if "transfer-encoding" in headers or not 0 <= length <= LONGEST:
            return self._refuse(411 if "transfer-encoding" in headers else 413)
        if len(self.buffer) < end + 4 + length:
            if headers.get("expect", "").lower() == "100-continue" and len(self.buffer) == end + 4:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        body = bytes(self.buffer[end + 4 : end + 4 + length])
        del self.buffer[: end + 4 + length]
        self.request = Request(method, path, headers, body, query)
        self.receive(self, self.request)

    def _refuse(self, status: int) -> None:
        self.buffer.clear()
        self.transport.write(Reply(status, headers={"Connection": "close"}).encoded())
        self.transport.close()

    def send(self, reply: Reply) -> None:
        """Answer the request at hand; the bytes are the kernel's when this returns, if they fit its buffer."""
        assert self.request is not None
        last = self.request.headers.get("connection", "").lower() == "close" or reply.sent is not None
        self.request, self.on_lost = None, None
        if self.transport.is_closing():
            return
        data = reply.encoded()
        if reply.reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if reply.sent is not None:
            data = data[: int(len(data) * reply.sent)]
        if data:
            self.transport.write(data)
        if last:
            self.transport.close()
        elif self.buffer:
            asyncio.get_running_loop().call_soon(self._next)
