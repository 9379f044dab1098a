"""Signals that end a run: Slurm's, a spot machine's, those of a closed terminal. Each does what Ctrl-C does.

Where work may be left at any moment that is KeyboardInterrupt; asyncio's own handler lets requests in flight end; a training
only takes note (`deferred`), and stops when its step is saved.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name))
heard: list[int] = []
"""Those that came, in their order."""


class Stopped(KeyboardInterrupt):
    """A training was stopped by a signal. Its message says what was saved, and what the same command does."""

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number


def first_heard() -> int:
    """The signal that stops this process; Ctrl-C is not always noted."""
    return heard[0] if heard else signal.SIGINT


@contextmanager
def listening() -> Iterator[None]:
    """In here each of `SIGNALS` does what Ctrl-C does."""
    with handled(SIGNALS[1:], as_ctrl_c):
        yield


@contextmanager
def deferred() -> Iterator[None]:
    """In here a signal is only noted in `heard`, for the work to look at between its steps. A second Ctrl-C is KeyboardInterrupt, at once."""
    with handled(SIGNALS, note):
        yield


@contextmanager
def handled(numbers: tuple[int, ...], handler: Any) -> Iterator[None]:
    """A handler for a while. What this process was made deaf to (by nohup, or `&` in a script) it stays deaf to."""
    heard.clear()
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    hearing = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    for number in hearing:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in hearing.items():
            signal.signal(number, old)


def note(number: int, frame: Any) -> None:
    if number == signal.SIGINT and signal.SIGINT in heard:
        raise KeyboardInterrupt
    heard.append(number)
    if number != signal.SIGINT:
        leave_dead_streams()


def as_ctrl_c(number: int, frame: Any) -> None:
    note(number, frame)
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)


def leave_dead_streams() -> None:
    """Where the terminal or the reader of a pipe is gone, the next line must not be an error: it goes nowhere."""
    for stream in (1, 2):
        poll = select.poll()
        poll.register(stream, 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)
