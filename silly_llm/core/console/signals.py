"""Signals that end a run: Slurm's, a spot machine's, those of a closed terminal. Each does what Ctrl-C does.

Where work may be left at any moment that is KeyboardInterrupt; asyncio's own handler allows in-flight requests to finish; a training
only takes note (`deferred`), and stops when its step is saved.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from silly_llm.core.console.streams import leave_dead_streams

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


def deferred() -> AbstractContextManager[None]:
    """A context in which a signal is only noted in `heard`, for the work to look at between steps; a second Ctrl-C interrupts at once."""
    return handled(SIGNALS, note)


@contextmanager
def handled(numbers: tuple[int, ...], handler: Callable[[int, Any], None]) -> Iterator[None]:
    """A handler for a while. Signals that this process ignores (by nohup, or `&` in a script) stay ignored."""
    heard.clear()
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    hearing = {n: old for n in numbers if (old := signal.getsignal(n)) not in (signal.SIG_IGN, None)}
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
    """Do what Ctrl-C does."""
    note(number, frame)
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)
