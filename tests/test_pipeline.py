"""The whole path by real commands in real processes: end to end, skipping, resuming after SIGKILL, mistakes."""

import json
import subprocess
from pathlib import Path

import pytest
from journals import kill
from locations import ROOT

from silly_llm.commands.run import phase_options
from silly_llm.core.config import load_recipe, parse_argv
from silly_llm.core.folders.provenance import digest
from silly_llm.core.phases import PHASES
from silly_llm.data.arguments import GenerationArguments

RUN = ["run", "recipes/quickstart", "--environment", "smoke"]
RESULTS = {"vocabulary": "vocabulary.json", "generate": "data", "pretrain": "model.safetensors", "instruct": "data"}
RESULTS |= {"sft": "model.safetensors", "evaluate": "results.json"}


def folder(root: Path, phase: str) -> Path:
    return root / "quickstart-smoke" / PHASES[phase].folder


def results(root: Path) -> dict[str, object]:
    """What each phase is there for, as something to compare."""
    found: dict[str, object] = {phase: digest(folder(root, phase) / name) for phase, name in RESULTS.items()}
    models = json.loads((folder(root, "evaluate") / RESULTS["evaluate"]).read_text())["models"]
    return {**found, "evaluate": {name: model["metrics"] for name, model in models.items()}}


@pytest.fixture(scope="module")
def undisturbed(quickstart) -> dict[str, object]:
    return results(quickstart[0] / "runs")


@pytest.mark.slow
def test_all_five_phases_leave_what_they_should(quickstart, undisturbed):
    root, printed = quickstart[0] / "runs", quickstart[1]
    for phase in RESULTS:
        assert (folder(root, phase) / "recipe.yaml").is_file() and (folder(root, phase) / "provenance.json").is_file()
    assert list(undisturbed["evaluate"]) == ["base", "tuned"]
    for metrics in undisturbed["evaluate"].values():
        for metric in ("bits_per_byte", "loss", "ends_by_itself", "words_included", "distinct_4"):
            value = metrics[metric]
            assert value["low"] <= value["value"] <= value["high"] and value["n"] > 0
    last = [line for line in printed.splitlines() if line.strip()][-2:]
    assert last[0] == f"Report:  {folder(Path('runs'), 'evaluate') / 'report.html'}"
    assert last[1].startswith("Chat:    ") and last[1].endswith(f"chat {folder(Path('runs'), 'sft')}")


@pytest.mark.slow
def test_the_printed_chat_command_works(quickstart):
    command = quickstart[1].strip().splitlines()[-1].removeprefix("Chat:").strip() + " --max_new_tokens 20"
    options = {"shell": True, "cwd": quickstart[0], "capture_output": True, "text": True}
    said = subprocess.run(command, input="Words: dog, jump, happy\n", **options)
    assert said.returncode == 0, said.stderr
    assert len(said.stdout) > 20


@pytest.mark.slow
def test_killed_in_the_middle_the_same_command_ends_with_the_same_result(undisturbed, silly_llm, tmp_path):
    """SIGKILL while stories are made, and again while the second model trains; each phase alone is killed in its own tests."""
    command = [*RUN, "--output_root", tmp_path]
    for phase, begun in (("generate", ".silly/run.json"), ("sft", "checkpoint-*")):
        within = folder(tmp_path, phase)
        kill(*command, when=lambda within=within, begun=begun: list(within.glob(begun)))
        assert not (within / "provenance.json").exists(), f"{phase} had finished before it was killed"
    again = silly_llm(*command)
    assert again.returncode == 0, again.stderr
    assert results(tmp_path) == undisturbed


@pytest.mark.slow
def test_a_second_run_skips_everything_and_a_change_redoes_only_what_depends(quickstart, undisturbed, in_process):
    again = in_process(*RUN, cwd=quickstart[0])
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("up to date") == len(PHASES)
    less = ["--evaluate.num_stories", 2, "--evaluate.num_documents", 4, "--from", "instruct"]
    changed = in_process(*RUN, *less, cwd=quickstart[0])
    assert changed.returncode == 0, changed.stderr
    assert changed.stdout.count("up to date") == 2


def test_run_hands_over_what_the_command_line_said():
    argv = ["--generate.system", "Tell: a story #1 ", "--generate.features", "{}", "--generate.provider.model=0123"]
    options = parse_argv([*argv, "--environment", "llm"])
    generate = PHASES["generate"]
    told = phase_options(ROOT / "recipes/quickstart", [generate], options)["generate"]
    args = load_recipe(told, phase="generate", arguments=GenerationArguments).args
    assert (args.system, args.features) == ("Tell: a story #1 ", {})
    assert isinstance(args.provider, dict) and args.provider["model"] == "0123"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("recipes/quickstrat", "neither here nor in the package (did you mean 'quickstart'?)"),
        ("recipes/quickstart --from pretrian", "unknown phase 'pretrian' (did you mean 'pretrain'?)"),
        ("recipes/quickstart --from sft --to pretrain", "--from sft comes after --to pretrain"),
        ("recipes/quickstart --environment lmm", "unknown environment 'lmm' (did you mean 'llm'?)"),
        ("recipes/quickstart --fro sft", "unknown option --fro (did you mean 'from'?)"),
        ("recipes/quickstart --generate.num_storys 3", "unknown key 'num_storys' (did you mean 'num_stories'?)"),
        ("recipes/quickstart --genrate.seed 3", "unknown option --genrate (did you mean 'generate'?)"),
        ("recipes/quickstart --to generate --sft.max_stps 3", "--sft.max_stps: this run has no phase sft"),
        ("recipes/quickstart --print_config", "is for a single phase"),
        ("recipes/quickstart --config x.yaml", "is for a single phase"),
        ("--from sft recipes/quickstart", "name the recipe folder first"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(in_process, tmp_path, arguments, message):
    wrong = in_process("run", *arguments.split(), "--output_root", tmp_path / "out")
    assert wrong.returncode == 2, wrong.stderr
    assert message in wrong.stderr and len(wrong.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
