"""The writer of stories in a separate process: filters and Parquet use one core, requests another.

The process is forked, so built or injected filters are available unchanged; where forking is not safe (other systems
than Linux, other threads) the writer runs in a thread. It ends with this process, leaving no dataset.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import threading
from collections import deque
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from silly_llm.core.console.signals import SIGNALS
from silly_llm.core.errors import RunError

if TYPE_CHECKING:
    from silly_llm.data.generation.statistics import StoryStatistics
    from silly_llm.data.generation.writer import StoryWriter

BATCH = 256
"""Messages sent together."""
DELAY = 0.1
"""Maximum seconds that a message waits for others: every batch costs a millisecond of three threads."""
DELAY_AWAITED = 0.02
"""The same for a message whose result is awaited."""
BATCHES_AHEAD = 4
"""Batches that the writer may lag behind before requests wait for it."""
Message = tuple[str, tuple[Any, ...]]
"""A method of `StoryWriter` and its arguments."""
_writer: StoryWriter
"""The objects of the writer's process."""


def can_fork() -> bool:
    """Whether forking is safe here: on Linux, with one thread, not in a worker of a pool."""
    pooled = multiprocessing.current_process().daemon
    return sys.platform == "linux" and threading.active_count() == 1 and not pooled


class WriterProcess:
    """A `StoryWriter` running behind the event loop. An async context manager.

    Call the constructor before the event loop and other threads start.

    Args:
        writer: not used in this process once forked.
        judge_here: judge stories in this process, which has time for it if the teacher is fast and in process.

    Raises:
        RunError: from any method, if the writer's process died; exceptions of the writer are raised here.
    """

    def __init__(self, writer: StoryWriter, *, judge_here: bool = False) -> None:
        self.kept = self.rejected = 0
        self._judge_here = writer.judge if judge_here else None
        self._messages: list[Message] = []
        self._behind: deque[asyncio.Future[Any]] = deque()
        self._failure: BaseException | None = None
        self.executor: Executor
        if can_fork():
            context = multiprocessing.get_context("fork")
            self.executor = ProcessPoolExecutor(1, context, initializer=_begin, initargs=(writer, True))
        else:
            self.executor = ThreadPoolExecutor(1, initializer=_begin, initargs=(writer, False))
        self.executor.submit(_work, []).result()  # forks

    async def __aenter__(self) -> WriterProcess:
        return self

    async def __aexit__(self, kind: Any, *_: object) -> None:
        if self._messages:
            self._timer.cancel()
        with suppress(BrokenExecutor):
            self.executor.submit(_work, [("__exit__", (kind, None, None))])
        self.executor.shutdown()

    async def judge(self, *story: Any, wait: bool) -> bool:
        """Judge and hold a story; returns whether it passes, or True without waiting for the verdict."""
        if self._judge_here:
            row = self._judge_here(*story)
            await self._send("hold", row)
            return not row["rejected_by"]
        return await self._send("judge_and_hold", *story, wait=wait) is not False

    async def commit(self, index: int) -> None:
        """`StoryWriter.commit` of a story."""
        await self._send("commit", index)

    async def finish(self) -> StoryStatistics:
        """Move the dataset into place; returns its statistics."""
        return await self._send("finish", wait=True)

    async def _send(self, name: str, *arguments: Any, wait: bool = False) -> Any:
        """Have a method of the writer called; returns its result if awaited."""
        if self._failure is not None:
            raise self._failure
        loop = asyncio.get_running_loop()
        if not self._messages:
            self._results: asyncio.Future[list[Any]] = loop.create_future()
            self._timer = loop.call_later(DELAY, self._flush)
        if wait and self._timer.when() > (soon := loop.time() + DELAY_AWAITED):
            self._timer.cancel()
            self._timer = loop.call_at(soon, self._flush)
        self._messages.append((name, arguments))
        number, results = len(self._messages) - 1, self._results
        if len(self._messages) == BATCH or name == "finish":
            self._flush()
        while len(self._behind) > BATCHES_AHEAD:
            await asyncio.wait([self._behind[0]])
        return (await asyncio.shield(results))[number] if wait else None

    def _flush(self) -> None:
        self._timer.cancel()
        messages, self._messages = self._messages, []
        sent: Future[Any]
        try:
            sent = self.executor.submit(_work, messages)
        except BrokenExecutor as error:
            sent = Future()
            sent.set_exception(error)
        batch = asyncio.wrap_future(sent)
        self._behind.append(batch)
        batch.add_done_callback(partial(self._done, self._results))

    def _done(self, results: asyncio.Future[list[Any]], batch: asyncio.Future[Any]) -> None:
        self._behind.remove(batch)
        error = batch.exception()
        if error is None:
            returned, (self.kept, self.rejected) = batch.result()
            results.set_result(returned)
            return
        if isinstance(error, BrokenExecutor):
            error = RunError("the process that writes the stories died; run the same command to continue")
        self._failure = self._failure or error
        results.set_exception(self._failure)
        results.exception()  # raised by the next message if nobody awaits this one


def _begin(writer: StoryWriter, forked: bool) -> None:
    global _writer
    _writer = writer
    if forked:
        for number in SIGNALS:  # handled by the parent process
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(_writer.dataset.temporary, ignore_errors=True)  # this process still holds the lock of the folder
    os._exit(1)


def _work(messages: list[Message]) -> tuple[list[Any], tuple[int, int]]:
    """Call methods of the writer; returns their results, and how many stories it has kept and rejected so far."""
    try:
        return [getattr(_writer, name)(*arguments) for name, arguments in messages], _writer.counts()
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            raise RunError(f"{type(error).__name__}: {error}") from error
        raise
