"""Progress of long work: a bar with rate and time left, or plain lines now and then when nobody watches a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from silly_llm.core.console.duration import duration

if TYPE_CHECKING:
    from silly_llm.asking.engine import Engine
    from silly_llm.data.generation.writer_process import WriterProcess


class Progress:
    """Counts `unit`s up to `total` on stderr. A context manager.

    Args:
        total: how many there will be.
        unit: what is counted, in the plural.
        every: seconds between plain lines.
    """

    def __init__(self, total: int, unit: str, *, every: float = 10.0) -> None:
        self.total = total
        self.unit = unit
        self.every = every
        self.done = 0
        self._started = self._said = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=f" {unit}", dynamic_ncols=True, smoothing=0.05)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance_to(self, done: int, note: str = "") -> None:
        """Say how many are done in all."""
        self.update(max(0, min(done, self.total) - self.done), note)

    def due(self) -> bool:
        """Whether something will be shown at the next `update`."""
        every = 0.2 if self._bar is not None else self.every
        return time.monotonic() - self._said >= every

    def update(self, count: int = 1, note: str = "") -> None:
        """Count on; `note` says what else there is to say."""
        self.done += count
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(count)
            if note:
                self._said = now
                self._bar.set_postfix_str(note, refresh=False)
            return
        if now - self._said >= self.every:
            self._said = now
            rate = self.done / (now - self._started)
            left = (self.total - self.done) / rate if rate else 0.0
            more = f", {note}" if note else ""
            print(
                f"{self.done:,}/{self.total:,} {self.unit}, {rate:,.1f}/s, {duration(left)} left{more}",
                file=sys.stderr,
                flush=True,
            )


class GenerationProgress(Progress):
    """Stories done, kept and rejected, requests in flight, rates, cost. A context manager.

    Args:
        total: how many stories there will be.
        engine: what sends the requests.
        writer: who counts what is kept.
        corpus: what the texts are, in the plural.
    """

    def __init__(self, total: int, engine: Engine, writer: WriterProcess, corpus: str = "stories") -> None:
        super().__init__(total, corpus)
        self.engine = engine
        self.writer = writer

    def done_with(self, count: int) -> None:
        """Count stories that are done."""
        self.update(count, self._note() if self.due() else "")

    def _note(self) -> str:
        tally, provider = self.engine.tally, self.engine.provider
        seconds = max(time.monotonic() - self._started, 1e-6)
        parts = [f"{self.writer.kept:,} kept", f"{self.writer.rejected:,} rejected"]
        if tally.failed:
            parts.append(f"{tally.failed:,} failed")
        in_flight, limit = provider.in_flight
        if limit:
            parts.append(f"{in_flight} of {limit} in flight")
        if not provider.free:
            tokens = tally.prompt_tokens + tally.completion_tokens
            parts.append(f"{tally.asked / seconds:,.1f} requests/s, {tokens / seconds:,.0f} tokens/s")
        if provider.prices:
            cost = provider.prices.cost(tally.prompt_tokens, tally.completion_tokens)
            parts.append(f"cost {cost:,.4f}")
        return ", ".join(parts)
