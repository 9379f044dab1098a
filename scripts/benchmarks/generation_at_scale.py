"""Time and memory of `silly-llm generate` from thousands of stories to a million, in one table.

    python scripts/benchmarks/generation_at_scale.py [--stories 10000 100000 1000000] [KEY=VALUE ...]

Each size is a run of its own, in a new folder; what follows the options goes to `generate` (default: the storyteller, all default
filters, near-duplicates among them). Memory is the proportional set size (PSS) of all its processes together, sampled four times a
second: pages that the writer process shares with its parent count once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq


def memory(process: psutil.Process) -> int:
    """Bytes of a process and all below it."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:  # it ended between the two
            continue
    return total


def measure(stories: int, folder: Path, options: list[str]) -> tuple[float, int, int]:
    """Seconds, peak bytes and rows kept of one run."""
    command = [sys.executable, "-m", "silly_llm.data.generation", "--num_stories", str(stories)]
    began = time.perf_counter()
    child = subprocess.Popen([*command, "--output_dir", str(folder), *options], stdout=subprocess.DEVNULL)
    process, peak = psutil.Process(child.pid), 0
    while child.poll() is None:
        peak = max(peak, memory(process))
        time.sleep(0.25)
    seconds = time.perf_counter() - began
    if child.returncode:
        sys.exit(child.returncode)
    kept = sum(pq.read_metadata(file).num_rows for file in folder.glob("data/train-*.parquet"))
    return seconds, peak, kept


def main() -> None:
    """Run the sizes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments, options = parser.parse_known_args()
    print("| Stories | Seconds | Stories/s | Peak memory (PSS) | Kept for training |\n|---|---|---|---|---|")
    for stories in arguments.stories:
        with tempfile.TemporaryDirectory(prefix="generation-") as folder:
            seconds, peak, kept = measure(stories, Path(folder) / "stories", options)
        print(
            f"| {stories:,} | {seconds:.0f} | {stories / seconds:,.0f} | {peak / 1e6:,.0f} MB | {kept:,} |", flush=True
        )


if __name__ == "__main__":
    main()
