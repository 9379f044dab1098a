"""Progress of long work: a bar with rate and time left, or occasional plain lines if the output is not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from silly_llm.core.console.duration import duration

if TYPE_CHECKING:
    from silly_llm.asking.engine import Engine
    from silly_llm.data.generation.writer_process import WriterProcess


class Progress:
    """Counts `unit`s up to `total` on stderr. A context manager.

    Args:
            total: the final count.
            unit: what is counted, in the plural.
            note: additional text.
    """

    def __init__(self, total: int, unit: str, *, note: Callable[[], str] = str) -> None:
        self.total, self.unit, self.note, self.done = total, unit, note, 0
        self._started = self._shown = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=f" {unit}", dynamic_ncols=True, smoothing=0.05)
        self._every = 10.0 if self._bar is None else 0.2

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance_to(self, done: int) -> None:
        """Count up to `done`."""
        self.update(max(0, min(done, self.total) - self.done))

    def update(self, count: int = 1) -> None:
        """Count on."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        now = time.monotonic()
        if now - self._shown < self._every:
            return
        self._shown, note = now, self.note()
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            return
        rate = self.done / (now - self._started)
        left = duration((self.total - self.done) / rate if rate else 0.0)
        line = f"{self.done:,}/{self.total:,} {self.unit}, {rate:,.1f}/s, {left} left{note and ', '}{note}"
        print(line, file=sys.stderr, flush=True)


def note_on(engine: Engine, writer: WriterProcess) -> Callable[[], str]:
    """The progress line of a generation: stories kept and rejected, requests in flight, rates, cost."""
    began = time.monotonic()

    def note() -> str:
        tally, provider = engine.tally, engine.provider
        seconds = max(time.monotonic() - began, 1e-6)
        tokens = tally.prompt_tokens + tally.completion_tokens
        in_flight, limit = provider.in_flight
        parts = {
            f"{writer.kept:,} kept, {writer.rejected:,} rejected": True,
            f"{tally.failed:,} failed": tally.failed,
            f"{in_flight} of {limit} in flight": limit,
            f"{tally.asked / seconds:,.1f} requests/s, {tokens / seconds:,.0f} tokens/s": not provider.free,
        }
        if provider.prices:
            parts[f"cost {provider.prices.cost(tally.prompt_tokens, tally.completion_tokens):,.4f}"] = True
        return ", ".join(part for part, shown in parts.items() if shown)

    return note
