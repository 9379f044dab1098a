"""Readers that leave, streams that are closed or know no more than ASCII, terminals without a width, libraries that talk."""

import os
import subprocess
import sys
import termios

import pytest
from locations import ROOT

from silly_llm.core.console.duration import duration

SILLY = [sys.executable, "-m", "silly_llm.cli"]
TALK = """
import logging, sys, warnings
from silly_llm.core.launch import run_main
def main(argv):
    import datasets, huggingface_hub
    from transformers.utils import logging as theirs
    theirs.get_logger("transformers.trainer").warning("chatter")
    datasets.utils.logging.get_logger("datasets.x").warning("chatter")
    logging.getLogger("accelerate").warning("chatter")
    warnings.warn("chatter", FutureWarning)
    theirs.get_logger("transformers.modeling_utils").warning("LOAD REPORT: weights are missing")
    logging.getLogger("torch").error("a real error")
run_main(main, sys.argv[1:])
"""


@pytest.mark.parametrize("command", ["--help", "pretrain --help", "recipes", "plugins", "recipes quickstart --check"])
def test_a_reader_that_leaves_ends_a_command_silently(command):
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([*SILLY, *command.split()], cwd=ROOT, stdout=writes, stderr=subprocess.PIPE, text=True)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")


def test_closed_streams_are_no_error():
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *SILLY, "recipes"], cwd=ROOT)
    assert done.returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_a_character_shows_another(encoding, tmp_path, silly_llm):
    command = ["run", "quickstart", "--environment", "smoke", "--to", "vocabulary", "--output_root", tmp_path]
    done = silly_llm(*command, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "\n-- 1/1 vocabulary" in done.stdout
    checked = silly_llm("recipes", "recipes/tiny-letters", "--check", PYTHONIOENCODING=encoding)
    assert "\nok recipes/tiny-letters" in checked.stdout and checked.stdout.isascii()


def test_a_bar_shows_in_a_terminal_without_a_width():
    code = (
        "from silly_llm.core.console.streams import prepare; prepare(debug=True)\n"
        "from tqdm import tqdm\nfor _ in tqdm(range(3), mininterval=0): pass"
    )
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (0, 0))
    done = subprocess.run([sys.executable, "-c", code], stderr=theirs)
    os.set_blocking(ours, False)
    shown = os.read(ours, 10_000).decode()
    os.close(theirs), os.close(ours)
    assert done.returncode == 0 and "3/3" in shown


def test_libraries_are_silent_but_for_errors_and_missing_weights_and_debug_shows_all(python):
    quiet, all_of_it = (python(TALK, *options, PYTHONWARNINGS="").stderr for options in ([], ["--debug"]))
    assert "chatter" not in quiet and "weights are missing" in quiet and "a real error" in quiet
    assert all_of_it.count("chatter") >= 4


@pytest.mark.parametrize(
    "command", ["", "run", "chat", "compare", "publish", "sweep", "plugins nothing", "recipes --copy x", "pretrian"]
)
def test_what_is_missing_is_one_line_with_code_2(command, tmp_path, in_process):
    said = in_process(*command.split(), cwd=tmp_path)
    assert said.returncode == 2 and not said.stdout and said.stderr.startswith("silly-llm: ")
    assert said.stderr.count("\n") == 1


def test_durations_are_said_as_people_say_them():
    spans = {0.04: "0 s", 2.5: "2.5 s", 9.96: "10 s", 45: "45 s", 125: "2 min 5 s", 7800: "2 h 10 min"}
    assert {seconds: duration(seconds) for seconds in spans} == spans
