"""The whole path by real commands in real processes: end to end, skipping, resuming after SIGKILL, mistakes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from locations import ROOT

from silly_llm.commands.run import main as run
from silly_llm.commands.run import phase_options
from silly_llm.core.config import load_recipe, parse_argv
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.provenance import digest
from silly_llm.core.phases import PHASES
from silly_llm.data.arguments import GenerationArguments

RUN = ["run", "recipes/quickstart", "--environment", "smoke"]
RESULTS = {
    "vocabulary": "vocabulary.json",
    "generate": "data",
    "pretrain": "model.safetensors",
    "instruct": "data",
    "sft": "model.safetensors",
    "evaluate": "results.json",
}


def folder(root: Path, phase: str) -> Path:
    return root / "quickstart-smoke" / PHASES[phase].folder


def result(root: Path, phase: str) -> str:
    return digest(folder(root, phase) / RESULTS[phase])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, str]:
    """A finished smoke run and what it printed."""
    root = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(
        [sys.executable, "-m", "silly_llm.cli", *RUN, "--output_root", str(root)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return root, done.stdout


@pytest.mark.slow
def test_all_five_phases_leave_what_they_should(undisturbed):
    root, printed = undisturbed
    for phase, name in RESULTS.items():
        assert (folder(root, phase) / name).exists(), phase
        assert (folder(root, phase) / "recipe.yaml").is_file() and (folder(root, phase) / "provenance.json").is_file()
    models = json.loads((folder(root, "evaluate") / "results.json").read_text())["models"]
    assert list(models) == ["base", "tuned"]
    for model in models.values():
        for metric in ("bits_per_byte", "loss", "ends_by_itself", "words_included", "distinct_4"):
            value = model["metrics"][metric]
            assert value["low"] <= value["value"] <= value["high"] and value["n"] > 0
    last = [line for line in printed.splitlines() if line.strip()][-2:]
    assert last[0] == f"Report:  {folder(root, 'evaluate') / 'report.html'}"
    assert last[1].startswith("Chat:    ") and last[1].endswith(f"chat {folder(root, 'sft')}")


@pytest.mark.slow
def test_the_printed_chat_command_works(undisturbed):
    command = undisturbed[1].strip().splitlines()[-1].removeprefix("Chat:").strip()
    said = subprocess.run(
        command + " --max_new_tokens 20",
        shell=True,
        cwd=ROOT,
        input="Words: dog, jump, happy\n",
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    assert len(said.stdout) > 20


@pytest.mark.slow
def test_a_second_run_skips_everything_and_a_change_redoes_only_what_depends_on_it(undisturbed, silly_llm, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(undisturbed[0], root)
    again = silly_llm(*RUN, "--output_root", undisturbed[0])
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("up to date") == len(PHASES)
    # The inputs lie elsewhere now, so nothing but the vocabulary, which has none, could be taken as it is.
    changed = silly_llm(*RUN, "--output_root", undisturbed[0], "--evaluate.seed", 7, "--from", "instruct")
    assert changed.returncode == 0, changed.stderr
    assert changed.stdout.count("up to date") == 2
    restored = silly_llm(*RUN, "--output_root", undisturbed[0], "--from", "evaluate")
    assert restored.returncode == 0, restored.stderr


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_killed_in_the_middle_the_same_command_ends_with_the_same_result(undisturbed, silly_llm, tmp_path, phase):
    """SIGKILL while the phase works (its folder is there, its result is not), then the same command again."""
    finished = undisturbed[0]
    earlier = list(PHASES)[: list(PHASES).index(phase)]
    root = tmp_path / "killed"
    for name in earlier:
        shutil.copytree(folder(finished, name), folder(root, name))
    command = [*RUN, "--output_root", str(root), "--from", phase, "--to", phase]
    # Training is killed after its first checkpoint, the others as soon as they have begun to write.
    mark = {"pretrain": "checkpoint-*", "sft": "checkpoint-*"}.get(phase, ".silly/run.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "silly_llm.cli", *command],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while not list(folder(root, phase).glob(mark)):
        assert process.poll() is None and time.monotonic() < deadline, "ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder(root, phase) / "provenance.json").exists(), "finished before it was killed"

    again = silly_llm(*command)
    assert again.returncode == 0, again.stderr
    if phase == "evaluate":
        ours, theirs = (
            json.loads((folder(r, phase) / "results.json").read_text())["models"] for r in (root, finished)
        )
        assert {n: m["metrics"] for n, m in ours.items()} == {n: m["metrics"] for n, m in theirs.items()}
    else:
        assert result(root, phase) == result(finished, phase)


def test_run_hands_over_what_the_command_line_said():
    argv = ["--generate.system", "Tell: a story #1 ", "--generate.features", "{}", "--generate.provider.model=0123"]
    options = parse_argv([*argv, "--environment", "llm"])
    generate = PHASES["generate"]
    told = phase_options(ROOT / "recipes/quickstart", [generate], options)["generate"]
    args = load_recipe(told, phase="generate", arguments=GenerationArguments).args
    assert (args.system, args.features) == ("Tell: a story #1 ", {})
    assert isinstance(args.provider, dict) and args.provider["model"] == "0123"


def test_run_refuses_what_is_for_a_single_phase():
    for option in (["--print_config"], ["--config", "x.yaml"]):
        with pytest.raises(RecipeError, match="is for a single phase"):
            run([str(ROOT / "recipes/quickstart"), *option])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recipes/quickstrat"], "neither here nor in the package (did you mean 'quickstart'?)"),
        (["recipes/quickstart", "--from", "pretrian"], "unknown phase 'pretrian' (did you mean 'pretrain'?)"),
        (["recipes/quickstart", "--from", "sft", "--to", "pretrain"], "--from sft comes after --to pretrain"),
        (["recipes/quickstart", "--environment", "lmm"], "unknown environment 'lmm' (did you mean 'llm'?)"),
        (["recipes/quickstart", "--fro", "sft"], "unknown option --fro (did you mean 'from'?)"),
        (
            ["recipes/quickstart", "--generate.num_storys", "3"],
            "unknown key 'num_storys' (did you mean 'num_stories'?)",
        ),
        (["--from", "sft", "recipes/quickstart"], "name the recipe folder first"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(silly_llm, tmp_path, arguments, message):
    wrong = silly_llm("run", *arguments, "--output_root", tmp_path / "out")
    assert wrong.returncode == 2, wrong.stderr
    assert message in wrong.stderr and len(wrong.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
