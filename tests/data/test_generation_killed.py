"""`kill -9` at random moments of a long run against a server that fails one request in ten."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from test_generation import contents, write_recipe

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from scripted_llm import ScriptedLLM, answer

STORIES = 2_000
FAULTS = {
    "fail": ["429", "500", "503", "424", "garbage", "drop", "truncated", "empty", "drop_middle"],
    "fail_rate": 0.1,
    "latency": 0.1,
}


def answered(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


@pytest.mark.slow
def test_killed_twenty_times_it_repeats_nothing_that_was_recorded_and_ends_the_same(tmp_path, silly_llm):
    with ScriptedLLM(tmp_path / "calm-log", latency=0.01) as server:
        calm = tmp_path / "calm"
        recipe = write_recipe(tmp_path, server, calm, count=STORIES)
        assert silly_llm("generate", "--config", recipe, "--provider.max_concurrency", 64).returncode == 0
    draw = random.Random(3)
    with ScriptedLLM(tmp_path, **FAULTS) as server:
        output = tmp_path / "killed"
        recipe = write_recipe(tmp_path, server, output, count=STORIES)
        options = ["--provider.concurrency", "32", "--provider.max_concurrency", "64"]
        command = [sys.executable, "-m", "silly_llm.cli", "generate", "--config", str(recipe), *options]
        journal = output / "journal.jsonl"
        recorded: list[tuple[int, set[str]]] = []  # at each kill: answers the server had given, texts in the journal
        for moment in sorted(draw.sample(range(STORIES), 20)):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            deadline = time.monotonic() + 120
            while answered(journal) < moment:
                assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
                time.sleep(0.002)
            time.sleep(draw.random() * 0.05)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            process.stderr.close()
            assert not (output / "data").exists()
            texts = {json.loads(line)["text"] for line in whole_lines(journal)}
            assert len(texts) >= moment
            recorded.append((len(server.asked()), texts))
        done = silly_llm("generate", "--config", recipe, *options)
        assert done.returncode == 0, done.stderr
        assert contents(output) == contents(calm)
        assert (output / "statistics.json").read_bytes() == (calm / "statistics.json").read_bytes()
        keys = Counter(json.loads(line)["key"] for line in whole_lines(journal))
        assert len(keys) == STORIES and max(keys.values()) == 1
        asked = server.asked()
        for before, texts in recorded:
            again = {answer(record["prompt"], record["seed"], 512)[0] for record in asked[before:]} & texts
            assert not again
        # What a kill took between the server's last byte and the journal is asked again: at most what was under way.
        times = Counter(record["seed"] for record in asked)
        assert len(times) == STORIES and len(asked) - STORIES <= len(recorded) * 64


def whole_lines(journal: Path) -> list[bytes]:
    lines = journal.read_bytes().split(b"\n")
    return lines[:-1]
