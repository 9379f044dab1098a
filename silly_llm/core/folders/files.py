"""Files written whole or not at all, and a folder locked for one process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from silly_llm.core.console.masking import mask
from silly_llm.core.errors import RecipeError, RunError

PRIVATE = ".silly"
"""The folder inside an output folder that holds lock, state and manifest; never published, never an input."""
LOCK_TIMEOUT = 3.0
"""Seconds to wait for the lock: a process behind one that was killed holds it a moment longer."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` at the end; after an error or power loss `path` is what it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, also after power loss; secrets are masked in it."""
    with written_whole(path) as temporary:
        temporary.write_text(mask(text), encoding="utf-8")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an output folder, which is made if missing; a RunError where another process holds it."""
    from filelock import FileLock, Timeout

    try:
        (folder / PRIVATE).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / PRIVATE / "lock").acquire(timeout=LOCK_TIMEOUT)
    except Timeout:
        way_out = "wait for it, or choose another --output_dir"
        raise RunError(f"{folder}: another silly-llm process is writing here; {way_out}") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{folder}: cannot be made ({getattr(error, 'strerror', error)})") from None
    with lock:
        yield
