"""The writer of stories in a process of its own: filters and Parquet take a core, asking takes another.

The process is forked, so filters that were built or injected are there as they are; where there is no fork (Windows, macOS)
the writer works in this process. Messages are batches over a socket. If this process dies, the writer's socket ends and so
does the writer, leaving no dataset.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pickle
import signal
import socket
import sys
import threading
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

from silly_llm.core.console.signals import SIGNALS
from silly_llm.core.errors import RunError

if TYPE_CHECKING:
    from silly_llm.data.generation.statistics import StoryStatistics
    from silly_llm.data.generation.writer import StoryWriter

BATCH = 64
"""Messages that are sent together."""
DELAY = 0.02
"""Seconds that a message waits for others at most."""
BATCHES_AHEAD = 8
"""Batches that the writer may be behind before asking waits for it."""
Message = tuple[str, tuple[Any, ...]]


def can_fork() -> bool:
    """Whether a process may be forked safely here: on Linux, with one thread."""
    return sys.platform == "linux" and threading.active_count() == 1


class WriterProcess:
    """A `StoryWriter` at work behind the event loop. An async context manager.

    Args:
        writer: not used in this process once forked.
        judge_here: judge stories in this process, which has time for it when the teacher is quick and in process.
        fork: whether to fork; default: where that is safe. Call the constructor before the event loop starts.

    Raises:
        RunError: from any method, when the writer failed.
    """

    def __init__(self, writer: StoryWriter, *, judge_here: bool = False, fork: bool | None = None) -> None:
        self._writer = writer
        self._judge_here = judge_here
        self._pid = 0
        self.kept = self.rejected = 0
        self._messages: list[Message] = []
        self._verdicts: list[asyncio.Future[bool] | None] = []
        self._sent: deque[list[asyncio.Future[bool] | None]] = deque()
        self._room = asyncio.Semaphore(BATCHES_AHEAD)
        self._timer: asyncio.TimerHandle | None = None
        self._failure: BaseException | None = None
        self._statistics: asyncio.Future[StoryStatistics] | None = None
        if can_fork() if fork is None else fork:
            ours, theirs = socket.socketpair()
            sys.stdout.flush()  # else both processes would print what waits
            sys.stderr.flush()
            self._pid = os.fork()
            if self._pid == 0:  # pragma: no cover - another process
                ours.close()
                _serve(writer, theirs)
            theirs.close()
            self._socket = ours

    async def __aenter__(self) -> WriterProcess:
        if self._pid:
            self._reader, self._pipe = await asyncio.open_connection(sock=self._socket)
            self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        if not self._pid:
            self._writer.__exit__(kind, error, trace)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._pipe.close()
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening
        await asyncio.to_thread(os.waitpid, self._pid, 0)

    async def judge(self, *story: Any, wait: bool) -> bool:
        """Judge and hold a story; whether it stands, or True when one does not wait for the verdict."""
        if not self._pid or self._judge_here:
            row = self._writer.judge(*story)
            if self._pid:
                await self._send(("hold", (row,)), None)
            else:
                self._writer.hold(row)
            return not row["rejected_by"]
        verdict = asyncio.get_running_loop().create_future() if wait else None
        await self._send(("judge", story), verdict)
        return True if verdict is None else await verdict

    async def commit(self, index: int) -> None:
        """`StoryWriter.commit` of a story."""
        if not self._pid:
            self._writer.commit(index)
            self.kept, self.rejected = self._writer.counts()
            return
        await self._send(("commit", (index,)), None)

    async def finish(self) -> StoryStatistics:
        """Put the dataset in place; its statistics."""
        if not self._pid:
            return self._writer.statistics
        self._statistics = asyncio.get_running_loop().create_future()
        await self._send(("finish", ()), None)
        await self._flush()
        return await self._statistics

    async def _send(self, message: Message, verdict: asyncio.Future[bool] | None) -> None:
        if self._failure is not None:
            raise self._failure
        self._messages.append(message)
        if message[0] == "judge":
            self._verdicts.append(verdict)
        if len(self._messages) >= BATCH:
            await self._flush()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(DELAY, lambda: loop.create_task(self._flush()))

    async def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._messages:
            return
        messages, self._messages = self._messages, []
        verdicts, self._verdicts = self._verdicts, []
        content = pickle.dumps(messages, pickle.HIGHEST_PROTOCOL)
        self._sent.append(verdicts)
        self._pipe.write(len(content).to_bytes(8, "big") + content)  # in order: nothing is awaited since the swap
        await self._room.acquire()
        if self._failure is not None:
            raise self._failure

    async def _listen(self) -> None:
        try:
            while True:
                size = int.from_bytes(await self._reader.readexactly(8), "big")
                kind, content = pickle.loads(await self._reader.readexactly(size))
                if kind == "failed":
                    raise content
                if kind == "finished":
                    assert self._statistics is not None
                    self._statistics.set_result(content)
                    continue
                answers, (self.kept, self.rejected) = content
                self._room.release()
                for verdict, stands in zip(self._sent.popleft(), answers, strict=True):
                    if verdict is not None and not verdict.done():
                        verdict.set_result(stands)
        except asyncio.IncompleteReadError:
            self._fail(RunError("the process that writes the stories died; the same command continues"))
        except Exception as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        waiting = [verdict for verdicts in (*self._sent, self._verdicts) for verdict in verdicts]
        for future in [*waiting, self._statistics]:
            if future is not None and not future.done():
                future.set_exception(error)
        for _ in range(BATCHES_AHEAD + len(self._sent) + 1):
            self._room.release()


def _serve(writer: StoryWriter, connection: socket.socket) -> None:
    """The life of the writer's process."""
    for number in SIGNALS:  # for the other process, which then closes the socket
        signal.signal(number, signal.SIG_IGN)
    code = 1
    with connection, connection.makefile("rb") as incoming:
        try:
            finished = False
            with writer:
                while (messages := _receive(incoming)) is not None:
                    verdicts = []
                    for name, arguments in messages:
                        if name == "judge":
                            row = writer.judge(*arguments)
                            writer.hold(row)
                            verdicts.append(not row["rejected_by"])
                        elif name == "hold":
                            writer.hold(*arguments)
                        elif name == "commit":
                            writer.commit(*arguments)
                        else:
                            finished = True
                    _answer(connection, ("judged", (verdicts, writer.counts())))
                    if finished:
                        break
                if not finished:
                    raise EOFError
            _answer(connection, ("finished", writer.statistics))
            code = 0
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass  # the other process died or gave up
        except BaseException as error:
            with contextlib.suppress(OSError):
                _answer(connection, ("failed", _portable(error)))
    sys.stdout.flush()
    os._exit(code)


def _receive(incoming: io.BufferedReader) -> list[Message] | None:
    head = incoming.read(8)
    if len(head) < 8:
        return None
    size = int.from_bytes(head, "big")
    content = incoming.read(size)
    return pickle.loads(content) if len(content) == size else None


def _answer(connection: socket.socket, answer: Any) -> None:
    content = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    connection.sendall(len(content).to_bytes(8, "big") + content)


def _portable(error: BaseException) -> BaseException:
    """The error as it can cross to another process, where it came from in its notes."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RunError(f"{type(error).__name__}: {error}")
    error.__cause__ = error.__context__ = None
    trace = "".join(traceback.format_exception(error))
    if hasattr(error, "add_note"):
        error.add_note(trace)
    return error
