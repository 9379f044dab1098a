"""What goes wrong around a run: full disks, a second process, prompts that do not fit. One line each, nothing lost."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from folders import contents
from journals import journalled
from locations import ROOT
from servers.scripted_llm import ScriptedLLM
from test_generation import generate, rows, write_recipe

from silly_llm.core.errors import RunError


def limited(recipe: Path, *options: object, kilobytes: int) -> subprocess.CompletedProcess[str]:
    """`silly-llm generate`, no file longer than `kilobytes` (as on a full disk, and no root needed)."""
    command = [sys.executable, "-m", "silly_llm.cli", "generate", "--config", recipe, *options]
    line = f"ulimit -f {kilobytes} && exec {shlex.join(map(str, command))}"
    return subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)


def is_one_line(done: subprocess.CompletedProcess[str], *said: str) -> None:
    lines = [line for line in done.stderr.splitlines() if "stories, " not in line]  # the progress goes before it
    assert done.returncode == 1 and len(lines) == 1 and all(words in lines[0] for words in said), done.stderr


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The undisturbed run's files."""
    folder = tmp_path_factory.mktemp("calm")
    with ScriptedLLM(folder) as server:
        generate("--config", write_recipe(folder, server, folder / "stories", count=200))
    return contents(folder / "stories")


@pytest.fixture
def server(tmp_path):
    with ScriptedLLM(tmp_path) as server:
        yield server


@pytest.fixture
def recipe(tmp_path, server):
    return write_recipe(tmp_path, server, tmp_path / "stories", count=200)


def test_the_disk_is_full_while_answers_come(tmp_path, calm, server, recipe):
    is_one_line(limited(recipe, kilobytes=600), "journal.sqlite: ", "the same command continues")
    output = tmp_path / "stories"
    assert not (output / "data").exists()
    assert 20 < len(journalled(output)) < 200
    generate("--config", recipe)
    # What was on its way when the disk filled is asked for again, nothing else.
    assert 200 <= len(server.asked()) <= 200 + 2 * 8
    assert contents(output) == calm


def test_the_disk_is_full_while_stories_are_written(tmp_path, calm, server, recipe):
    generate("--config", recipe, "--filters", "[duplicates]")
    output = tmp_path / "stories"
    before = contents(output)
    is_one_line(limited(recipe, "--force", kilobytes=12), "the same command continues")
    assert (contents(output) if (output / "data").exists() else {}) in (before, {})
    generate("--config", recipe)
    assert contents(output) == calm and len(server.asked()) == 200


def test_the_disk_is_full_while_shards_are_merged(tmp_path, calm, server, recipe):
    shards = ["--num_shards", 2]
    for index in range(2):
        generate("--config", recipe, *shards, "--shard_index", index)
    is_one_line(limited(recipe, *shards, kilobytes=12), "the same command continues")
    generate("--config", recipe, *shards)
    assert contents(tmp_path / "stories") == calm and len(server.asked()) == 200


def test_a_second_process_on_one_folder_stops(tmp_path, server, recipe):
    server.behave(latency=0.3)
    command = [sys.executable, "-m", "silly_llm.cli", "generate", "--config", str(recipe)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        while not (tmp_path / "stories" / "journal.sqlite").exists():
            assert first.poll() is None
            time.sleep(0.01)
        with pytest.raises(RunError, match="another silly-llm process is writing here"):
            generate("--config", recipe)
    assert first.returncode == 0 and len(rows(tmp_path / "stories", "train")) > 50
    assert len(server.asked()) == 200


BAD_FILTERS = """
import multiprocessing, os
from silly_llm.data.filters.base import StoryFilter

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")

class Raises(StoryFilter):
    def refuse(self, story):
        raise Odd("not", "pickled")

class Dies(StoryFilter):
    def refuse(self, story):
        assert multiprocessing.parent_process(), "not forked"
        os._exit(3)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [("Raises", "Odd: not pickled"), ("Dies", "process that writes the stories died; run the same command")],
)
def test_a_writer_that_fails_ends_the_run_in_one_line(tmp_path, silly_llm, recipe, name, said):
    """In a process of its own: beside the server's thread the writer would not be forked."""
    (tmp_path / "bad_filters.py").write_text(BAD_FILTERS)
    done = silly_llm("generate", "--config", recipe, "--filters", f"[bad_filters:{name}]", cwd=tmp_path)
    told, line = done.stderr.splitlines()[0], done.stderr.splitlines()[-1]
    assert done.returncode == 1 and "bad_filters" in told and said in line and "Traceback" not in done.stderr
    assert not (tmp_path / "stories" / "data").exists() and len(journalled(tmp_path / "stories")) > 0


@pytest.mark.parametrize("type", ["openai", "tgi"])
def test_prompts_longer_than_the_context_are_not_sent_again(tmp_path, server, type):
    recipe = write_recipe(tmp_path, server, tmp_path / "stories", type=type)
    long = "Tell of {{ noun }}. " + "Mind every word of this. " * 2_000
    with pytest.raises(RunError, match=r"the first .* requests all failed.*token"):
        generate("--config", recipe, "--template", long)
    assert len(server.asked()) <= 40  # twenty failures, and what was in flight by then
    generate("--config", recipe)
