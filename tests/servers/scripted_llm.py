"""A deterministic stand-in for LLM servers on loopback: TGI's API and OpenAI's, which can be told to misbehave.

The answer depends on prompt and seed alone (scripted_answers.py). scripted_api.py and scripted_tgi.py say what of the APIs is
modelled, scripted_behaviour.py has the options and faults, scripted_server.py the way of a request, scripted_http.py the wire.

    python tests/servers/scripted_llm.py --log asked.jsonl        # prints its address

In tests: `with ScriptedLLM(tmp_path, fail=[429, 503]) as server: server.url, server.asked()`. Options may be changed while it
runs (`server.behave(sick=True)`, POST /scripted/behaviour); `server.statistics()` is GET /scripted/statistics.

A line in the log proves that the server handed a whole and right answer to the kernel, the line before the answer's first
byte in one go, to a client that had not closed its end at that moment; so a client that has the answer finds the line. It
does not prove that the client read it: one killed in that moment leaves a line and no record. Answers spoilt by a fault
(empty, truncated, dropped …) and errors have no line.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import resource
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from scripted_answers import answer as answer  # what tests compare with
from scripted_behaviour import Behaviour
from scripted_http import Connection
from scripted_server import Server


class ScriptedLLM:
    """The server in a process of its own; a context manager.

    Args:
        folder: where the log goes.
        options: those of `Behaviour` by name, `port`, and `log=False` for none.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.log = Path(folder) / "asked.jsonl"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.arguments = ["--log", str(self.log)] if options.pop("log", True) else []
        for name, value in options.items():
            values = value if isinstance(value, list) else [value]
            self.arguments += [f"--{name}", *map(str, values)]

    def __enter__(self) -> ScriptedLLM:
        command = [sys.executable, __file__, *self.arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError(f"the scripted LLM did not start: {' '.join(command)}")
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

    def behave(self, **options: Any) -> dict[str, Any]:
        """Change options while it runs; gives all of them. Faults begin to count anew."""
        return self._control("behaviour", json.dumps(options).encode())

    def statistics(self) -> dict[str, Any]:
        """`received`, `delivered`, `vanished` (clients), `in_flight`, `most_in_flight`, and counts `by_status` or fault."""
        return self._control("statistics")

    def _control(self, what: str, body: bytes | None = None) -> dict[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/scripted/{what}", body, timeout=30) as answer:
            return json.load(answer)


async def serve(server: Server, port: int) -> None:
    """Serve until the process ends; prints the address."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server.receive), "127.0.0.1", port, backlog=4096)
    host, port = listening.sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}", flush=True)
    await listening.serve_forever()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--log", help="file for delivered requests (JSON lines)")
    Behaviour.add_options(parser)
    options = vars(parser.parse_args())
    port, log = options.pop("port"), options.pop("log")
    try:
        behaviour = Behaviour().changed(options)
    except ValueError as error:
        parser.error(str(error))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # a connection is a file
    gc.set_threshold(100_000)  # hardly anything here goes round in circles
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Server(behaviour, log), port))


if __name__ == "__main__":
    main()
