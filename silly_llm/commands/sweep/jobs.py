"""The points of a sweep in processes of their own, a few at once; their output goes to the screen and into a log each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from silly_llm.commands.sweep.points import Point


def run_jobs(
    points: Sequence[Point], module: str, *, jobs: int = 1, gpus: int = 0
) -> Generator[tuple[Point, str | None]]:
    """Run points and yield each with the reason it failed (`None` if it succeeded), in the order they end.

    Each is `python -m module`, `jobs` at once: several share the cores evenly and take the `gpus` in turn, a single one uses everything
    available to this process. Ctrl-C, or leaving the iterator early, stops the running ones: a phase may be killed at any moment.
    """
    lock, stopped = threading.Lock(), threading.Event()
    places, running = deque(range(jobs)), dict[int, subprocess.Popen[str]]()

    def run(point: Point) -> str | None:
        with lock:
            if stopped.is_set():
                return "stopped"
            place = places.popleft()
            print(f"▸ {point.name}", flush=True)
            process = running[place] = subprocess.Popen(
                [sys.executable, "-m", module, *point.argv],
                env={**os.environ, **environment(place, jobs, gpus)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        try:
            last = pass_on(process, point, "  " if jobs == 1 else f"  [{point.name}] ")
        finally:
            code = process.wait()
            with lock:
                del running[place]
                places.append(place)
        return None if code == 0 else reason_of(code, last)

    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(run, point): point for point in points}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            with lock:
                stopped.set()
                for process in running.values():
                    process.terminate()


def environment(place: int, jobs: int, gpus: int) -> dict[str, str]:
    """The environment variables of the process at one of `jobs` places: its share of the machine."""
    shared = {"PYTHONUNBUFFERED": "1", "TQDM_DISABLE": "1"}
    if jobs > 1:
        threads = max(1, (os.cpu_count() or 1) // jobs)
        shared["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(threads))
        if gpus:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))
            shared["CUDA_VISIBLE_DEVICES"] = visible.split(",")[:gpus][place % gpus]
    return shared


def pass_on(process: subprocess.Popen[str], point: Point, prefix: str) -> Sequence[str]:
    """Print the output of a process until it ends, and append it to the point's log; its last lines."""
    last: deque[str] = deque(maxlen=50)
    log = point.folder.with_name(f"{point.folder.name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    assert process.stdout is not None
    with process.stdout, log.open("a", encoding="utf-8") as file:
        for line in process.stdout:
            file.write(line)
            print(prefix + line.rstrip(), flush=True)
            last.append(line.strip())
    return last


def reason_of(code: int, said: Sequence[str]) -> str:
    """Why a process failed: its last `silly-llm: …` line, or else the signal that ended it, or else its last line."""
    own = [line.removeprefix("silly-llm: ") for line in said if line.startswith("silly-llm: ")]
    if own:
        return own[-1]
    if code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return next((line for line in reversed(said) if line), f"exit code {code}")
