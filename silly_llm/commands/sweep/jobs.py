"""The points of a sweep in processes of their own, a few at once; what each says goes to the screen and into its log."""

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
    """Run points; yield each with the reason why it failed, `None` if it did not, in the order they end.

    Ctrl-C, or leaving the iterator early, ends what runs: a phase may be killed at any moment.

    Args:
        points: what to run.
        module: the phase (`python -m MODULE`).
        jobs: how many at once. Several share the cores evenly and take GPUs in turn; one has all that this process has.
        gpus: how many there are.
    """
    job_pool = JobPool(module, jobs, gpus)
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(job_pool.run, point): point for point in points}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            job_pool.stop()


class JobPool:
    """Processes that run points.

    Args:
        module: the phase.
        jobs: how many run at once.
        gpus: how many there are.
    """

    def __init__(self, module: str, jobs: int, gpus: int) -> None:
        self.module, self.jobs = module, jobs
        self.processes: dict[int, subprocess.Popen[str]] = {}
        self.lock, self.stopped = threading.Lock(), False
        self.places = deque(range(jobs))
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        self.gpus = visible.split(",")[:gpus] if visible else [str(n) for n in range(gpus)]

    def run(self, point: Point) -> str | None:
        """Run one point; the reason why it failed, or `None`."""
        with self.lock:
            if self.stopped:
                return "stopped"
            place = self.places.popleft()
            print(f"▸ {point.name}", flush=True)
            process = subprocess.Popen(
                [sys.executable, "-m", self.module, *point.argv],
                env={**os.environ, **self.environment(place)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            self.processes[place] = process
        try:
            said = self.listen(process, point)
        finally:
            code = process.wait()
            with self.lock:
                del self.processes[place]
                self.places.append(place)
        return None if code == 0 else reason_of(code, said)

    def environment(self, place: int) -> dict[str, str]:
        """What a process at a place sees of the machine."""
        shared = {"PYTHONUNBUFFERED": "1", "TQDM_DISABLE": "1"}
        if self.jobs > 1:
            threads = max(1, (os.cpu_count() or 1) // self.jobs)
            shared["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(threads))
            if self.gpus:
                shared["CUDA_VISIBLE_DEVICES"] = self.gpus[place % len(self.gpus)]
        return shared

    def listen(self, process: subprocess.Popen[str], point: Point) -> list[str]:
        """Pass on what a process says until it ends; its last lines."""
        last: deque[str] = deque(maxlen=50)
        prefix = "  " if self.jobs == 1 else f"  [{point.name}] "
        log = point.folder.with_name(f"{point.folder.name}.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        assert process.stdout is not None
        with process.stdout, log.open("a", encoding="utf-8") as file:
            for line in process.stdout:
                file.write(line)
                print(prefix + line.rstrip(), flush=True)
                last.append(line.strip())
        return list(last)

    def stop(self) -> None:
        """End all processes; what waits does not begin."""
        with self.lock:
            self.stopped = True
            for process in self.processes.values():
                process.terminate()


def reason_of(code: int, said: Sequence[str]) -> str:
    """Why a process failed: its own last `silly-llm: …` line, else the signal that ended it, else its last line."""
    own = [line.removeprefix("silly-llm: ") for line in said if line.startswith("silly-llm: ")]
    if own:
        return own[-1]
    if code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return next((line for line in reversed(said) if line), f"exit code {code}")
