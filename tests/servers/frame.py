"""The HTTP that all stand-ins share: aiohttp's low-level server in a thread, with connections that can break on purpose."""

import asyncio
import contextlib
import threading
from typing import Any, Self

from aiohttp import web

Request, Response = web.BaseRequest, web.StreamResponse


class StandIn:
    """A server on loopback in a thread of this process, as a context manager; subclasses answer the requests.

    Args:
        port: where it listens; 0: any free port.
        more_ports: further free ports with the same answers (other hosts, in the eyes of a client).
    """

    def __init__(self, port: int = 0, more_ports: int = 0) -> None:
        self._ports = [port, *[0] * more_ports]
        self.urls: list[str] = []

    @property
    def url(self) -> str:
        return self.urls[0]

    async def answer(self, request: Request) -> Response:
        """The answer to a request; cancelled when the client goes away first."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._wait_for(self._listen())
        return self

    async def _listen(self) -> None:
        server = web.Server(self.answer, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0)
        await self._runner.setup()
        for port in self._ports:
            await web.TCPSite(self._runner, "127.0.0.1", port, backlog=4096).start()
        self.urls = [f"http://127.0.0.1:{address[1]}" for address in self._runner.addresses]

    def __exit__(self, *_: object) -> None:
        self._wait_for(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait_for(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def serve(self) -> None:
        """Run until Ctrl-C, for commands."""
        with contextlib.suppress(KeyboardInterrupt):
            self._thread.join()


async def break_off(request: Request, response: web.Response, share: float) -> Response:
    """Send the head and a share of the body, then close the connection; nothing at all for a share of 0."""
    assert request.transport is not None
    if share:
        body = response.body
        assert isinstance(body, bytes)
        response = web.StreamResponse(status=response.status, headers=response.headers)
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: int(len(body) * share)])
    request.transport.close()
    return response
