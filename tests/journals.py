"""What a journal holds, and processes that are killed while they fill one."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def journalled(folder: Path) -> dict[str, str]:
    """The texts of an output folder's journal, by key; no process may be writing it."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as journal:
        return dict(journal.execute("SELECT key, text FROM answers"))


def kill(*arguments: object, when: Callable[[], bool]) -> None:
    """Run `silly-llm ARGUMENTS…` and `kill -9` it once `when()` is true; it must not end before."""
    command = [sys.executable, "-m", "silly_llm.cli", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    with process:
        while not when():
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
