"""What goes wrong around a run: full disks, a second process, prompts that do not fit. One line each, nothing lost."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journals import journalled
from locations import ROOT
from test_generation import contents, rows, write_recipe

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from scripted_llm import ScriptedLLM


def generate(recipe: Path, *options: object, kilobytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """`silly-llm generate`, no file longer than `kilobytes` (as on a full disk, and no root needed)."""
    command = shlex.join(
        [sys.executable, "-m", "silly_llm.cli", "generate", "--config", str(recipe), *map(str, options)]
    )
    limit = f"ulimit -f {kilobytes} && " if kilobytes else ""
    return subprocess.run(
        ["bash", "-c", f"{limit}exec {command}"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def is_one_line(done: subprocess.CompletedProcess[str], *said: str) -> bool:
    lines = [line for line in done.stderr.splitlines() if "stories, " not in line]  # the progress goes before it
    assert done.returncode == 1 and len(lines) == 1 and all(words in lines[0] for words in said), done.stderr
    return True


@pytest.fixture
def calm(tmp_path):
    """The undisturbed run's files."""
    with ScriptedLLM(tmp_path / "calm-log") as server:
        recipe = write_recipe(tmp_path, server, tmp_path / "calm", count=200)
        assert generate(recipe).returncode == 0
    return contents(tmp_path / "calm")


def test_the_disk_is_full_while_answers_come(tmp_path, calm):
    with ScriptedLLM(tmp_path) as server:
        output = tmp_path / "stories"
        recipe = write_recipe(tmp_path, server, output, count=200)
        stopped = generate(recipe, kilobytes=600)
        is_one_line(stopped, "journal.sqlite: ", "the same command continues")
        assert not (output / "data").exists()
        kept = len(journalled(output))
        assert 20 < kept < 200
        assert generate(recipe).returncode == 0
        # What was on its way when the disk filled is asked for again, nothing else.
        assert 200 <= len(server.asked()) <= 200 + 2 * 8
        assert contents(output) == calm


def test_the_disk_is_full_while_stories_are_written(tmp_path, calm):
    with ScriptedLLM(tmp_path) as server:
        output = tmp_path / "stories"
        recipe = write_recipe(tmp_path, server, output, count=200)
        assert generate(recipe, "--filters", "[duplicates]").returncode == 0
        before = contents(output)
        is_one_line(generate(recipe, "--force", kilobytes=12), "the same command continues")
        left = contents(output) if (output / "data").exists() else before
        assert left == before or left == {}
        assert generate(recipe).returncode == 0 and contents(output) == calm
        assert len(server.asked()) == 200


def test_the_disk_is_full_while_shards_are_merged(tmp_path, calm):
    with ScriptedLLM(tmp_path) as server:
        output = tmp_path / "stories"
        recipe = write_recipe(tmp_path, server, output, count=200)
        for index in range(2):
            shard = generate(recipe, "--num_shards", 2, "--shard_index", index)
            assert shard.returncode == 0, shard.stderr
        is_one_line(generate(recipe, "--num_shards", 2, kilobytes=12), "the same command continues")
        assert generate(recipe, "--num_shards", 2).returncode == 0
        assert contents(output) == calm and len(server.asked()) == 200


def test_a_second_process_on_one_folder_stops(tmp_path):
    with ScriptedLLM(tmp_path, latency=0.3) as server:
        output = tmp_path / "stories"
        recipe = write_recipe(tmp_path, server, output, count=150)
        command = [sys.executable, "-m", "silly_llm.cli", "generate", "--config", str(recipe)]
        first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (output / "journal.sqlite").exists():
            assert time.monotonic() < deadline and first.poll() is None
            time.sleep(0.01)
        is_one_line(generate(recipe), "another silly-llm process is writing here")
        assert first.wait(120) == 0 and len(rows(output, "train")) > 50
        assert len(server.asked()) == 150


@pytest.mark.parametrize("type", ["openai", "tgi"])
def test_prompts_longer_than_the_context_are_not_sent_again(tmp_path, type):
    with ScriptedLLM(tmp_path) as server:
        output = tmp_path / "stories"
        recipe = write_recipe(tmp_path, server, output, type=type)
        long = "Tell of {{ noun }}. " + "Mind every word of this. " * 2_000
        done = generate(recipe, "--template", long)
        is_one_line(done, "the first", "requests all failed", "token")
        assert len(server.asked()) <= 40  # twenty failures, and what was in flight by then
        assert generate(recipe).returncode == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not a JSON file"),
        ("{}", "'nouns' must be a list of words"),
        ('{"nouns": [], "verbs": ["run"], "adjectives": ["red"]}', "has no nouns"),
    ],
)
def test_an_empty_vocabulary_sends_nothing(tmp_path, content, said):
    file = tmp_path / "vocabulary.json"
    file.write_text(content, encoding="utf-8")
    with ScriptedLLM(tmp_path) as server:
        output = tmp_path / "stories"
        done = generate(write_recipe(tmp_path, server, output), "--vocabulary", file)
        assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
        assert not output.exists() and not server.asked()
