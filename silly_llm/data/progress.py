"""Progress of long work: a bar with rate and time left, or plain lines now and then when nobody watches a terminal."""

from __future__ import annotations

import sys
import time


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

    def update(self, count: int = 1, note: str = "") -> None:
        """Count on; `note` says what else there is to say."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            return
        now = time.monotonic()
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


def duration(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
