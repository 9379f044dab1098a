"""How fast do texts become rows of tokens? `tokenize` and `pack` beside `datasets.map` as in transformers' run_clm example.

    python scripts/benchmarks/preparing.py --text stories.jsonl [--megabytes 1 10 100] [--rounds 3]

The same texts, tokenizer (byte-level BPE, 2,048 tokens, trained on them) and rows of 512 tokens, with as many processes as there are cores
for both; each contestant is a process of its own with an empty cache, in turn, and the median of the rounds counts. Where the file has less
text than asked for, it is repeated, which is kind to both caches. Memory is what the work adds to that of the libraries, over all processes
together, at its peak: allocated memory (`RssAnon`, sampled, Linux only), since pages of mapped files are the system's to take back.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from silly_llm.training.corpus.packing import pack
from silly_llm.training.corpus.tokens import tokenize

LENGTH = 512


def run_clm(texts: Any, tokenizer: Any, processes: int) -> int:
    """Tokenize, concatenate and cut by two maps; rows."""

    def ids(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return tokenizer([f"{text}{tokenizer.eos_token}" for text in batch["text"]])

    def group(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        joined = {key: [token for part in parts for token in part] for key, parts in batch.items()}
        whole = len(joined["input_ids"]) // LENGTH * LENGTH
        rows = {key: [all_[i : i + LENGTH] for i in range(0, whole, LENGTH)] for key, all_ in joined.items()}
        return {**rows, "labels": rows["input_ids"].copy()}

    tokenized = texts.map(ids, batched=True, num_proc=processes, remove_columns=texts.column_names)
    return len(tokenized.map(group, batched=True, num_proc=processes))


def ours(texts: Any, tokenizer: Any, processes: int) -> int:
    """Tokenize and pack; rows."""
    return len(pack(tokenize(texts, tokenizer, text_column="text", processes=processes), max_length=LENGTH))


CONTESTANTS = {"run_clm": run_clm, "ours": ours}


def compete(name: str, folder: Path) -> None:
    """Run one contestant and print seconds, rows and megabytes."""
    from datasets import load_dataset
    from transformers import AutoTokenizer

    texts = load_dataset("json", data_files=str(folder / "text.jsonl"), split="train")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    with Memory() as memory:
        began = time.perf_counter()
        rows = CONTESTANTS[name](texts, tokenizer, os.cpu_count() or 1)
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "rows": rows, "megabytes": memory.megabytes}))


class Memory(threading.Thread):
    """Peak of the memory allocated by this process and its children, above what it was at the start; MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.before, self.megabytes = allocated(), 0.0

    def run(self) -> None:
        while not self.ended.wait(0.02):
            self.megabytes = max(self.megabytes, allocated() - self.before)

    def __enter__(self) -> Memory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


def allocated() -> float:
    """Memory of this process and those it started, without mapped files; MB."""
    total = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:  # it ended
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
    return total / 1024


def prepare(text: Path, megabytes: int, folder: Path) -> None:
    """So much text, and a tokenizer trained on the file."""
    from datasets import load_dataset

    from silly_llm.training.corpus.texts import texts_of
    from silly_llm.training.corpus.tokenizer import TokenizerConfig, train_tokenizer

    source = load_dataset("json", data_files=str(text), split="train")
    left = megabytes * 1_000_000
    with (folder / "text.jsonl").open("w", encoding="utf-8") as file:
        while left > 0:
            for document in texts_of(source, "text"):
                file.write(json.dumps({"text": document}) + "\n")
                left -= len(document.encode())
                if left <= 0:
                    break
    tokenizer = train_tokenizer(texts_of(source, "text"), TokenizerConfig(vocab_size=2048), max_length=LENGTH)
    tokenizer.save_pretrained(folder / "tokenizer")


def race(options: argparse.Namespace) -> None:
    """Prepare, run each contestant in turn, print the table."""
    print(f"{'MB':>5} {'':<8}{'seconds':>9}{'MB/s':>8}{'rows':>9}{'memory MB':>11}{'times run_clm':>15}")
    for megabytes in options.megabytes:
        with tempfile.TemporaryDirectory(prefix="preparing-") as name:
            folder = Path(name)
            prepare(options.text.resolve(), megabytes, folder)
            found: dict[str, list[dict[str, float]]] = {contestant: [] for contestant in CONTESTANTS}
            for number in range(options.rounds):
                for contestant, results in found.items():
                    home = folder / f"{contestant}-{number}"
                    environment = {**os.environ, "HF_HOME": str(home), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
                    command = [sys.executable, __file__, "--contestant", contestant, "--folder", name]
                    done = subprocess.run(command, env=environment, capture_output=True, text=True)
                    if done.returncode:
                        sys.exit(f"{contestant}: {done.stderr[-2000:]}")
                    results.append(json.loads(done.stdout.splitlines()[-1]))
            seconds = {c: statistics.median(r["seconds"] for r in results) for c, results in found.items()}
            for contestant, results in found.items():
                memory = max(result["megabytes"] for result in results)
                print(
                    f"{megabytes:>5} {contestant:<8}{seconds[contestant]:>9.2f}{megabytes / seconds[contestant]:>8.2f}"
                    f"{results[0]['rows']:>9,.0f}{memory:>11,.0f}{seconds['run_clm'] / seconds[contestant]:>15.2f}",
                    flush=True,
                )


def main() -> None:
    """Race, or run as one contestant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="JSON lines with a column text")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestant", choices=list(CONTESTANTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        compete(options.contestant, options.folder)
    elif options.text:
        race(options)
    else:
        parser.error("--text is missing")


if __name__ == "__main__":
    main()
