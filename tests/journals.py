"""What a journal holds, and processes that are killed while they fill one."""

import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def journalled(folder: Path) -> dict[str, str]:
    """The texts of an output folder's journal, by key; no process may be writing it."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as journal:
        return dict(journal.execute("SELECT key, text FROM answers"))


def kill(*arguments: object, when: Callable[[], object], by: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
    """Run `silly-llm ARGUMENTS…` and kill it once `when()` is true, before which it must not end; its exit code and output."""
    command = [sys.executable, "-m", "silly_llm.cli", *map(str, arguments)]
    deadline = time.monotonic() + 240
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        while not when() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        early = process.poll() is not None or not when()
        process.send_signal(signal.SIGKILL if early else by)
        process.wait()
        said.seek(0)
        output = said.read().decode()
        assert not early, output[-3000:]
        return process.returncode, output
