"""The command line: instant help, one line for each mistake, the same `main` by every road."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from conftest import ROOT

from silly_llm.cli import TOOLS
from silly_llm.phases import PHASES

COMMANDS = [*PHASES, *TOOLS]
HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "trl",
    "pandas",
    "pyarrow",
    "matplotlib",
    "scipy",
    "huggingface_hub",
)


def test_help_lists_every_command(silly_llm):
    shown = silly_llm("--help")
    assert shown.returncode == 0
    for command in [
        "vocabulary",
        "generate",
        "pretrain",
        "instruct",
        "sft",
        "evaluate",
        "compare",
        "run",
        "publish",
        "chat",
        "plugins",
        "recipes",
    ]:
        assert f"\n  {command} " in shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command):
    code = (
        "import sys\nfrom silly_llm.cli import main\n"
        f"try: main([{command!r}, '--help'])\nexcept SystemExit as stop: assert not stop.code\n"
        f"print('heavy:', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert f"silly-llm {command}" in shown.stdout
    assert shown.stdout.endswith("heavy: []\n"), shown.stdout[-300:]


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
def test_a_phase_is_the_same_main_as_a_module_and_as_a_script(phase, silly_llm):
    by_command = silly_llm(phase.command, "--help").stdout
    module = subprocess.run([sys.executable, "-m", phase.module, "--help"], capture_output=True, text=True)
    assert module.stdout == by_command, module.stderr
    script = ROOT / "scripts" / f"{phase.command}.py"
    launched = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True)
    assert launched.stdout == by_command, launched.stderr
    assert hasattr(importlib.import_module(phase.module), "ARGUMENTS")


def test_an_unknown_command_names_the_nearest(silly_llm):
    wrong = silly_llm("pretrian")
    assert wrong.returncode == 2
    assert (
        wrong.stderr
        == "silly-llm: unknown command 'pretrian' (did you mean 'pretrain'?); see silly-llm --help\n"
    )


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
def test_a_bad_recipe_is_one_line_with_code_2_and_writes_nothing(phase, silly_llm, tmp_path):
    bad = {
        "unknown.yaml": ("output_dri: x", "unknown key 'output_dri' (did you mean 'output_dir'?)"),
        "type.yaml": ("output_dir: 3", "output_dir: expected text, got 3"),
        "empty.yaml": ("", "is empty"),
        "circle.yaml": ("extends: circle.yaml", "circular extends"),
        "unset.yaml": (
            "output_dir: ${oc.env:SILLY_TEST_UNSET}",
            "environment variable SILLY_TEST_UNSET is not set",
        ),
    }
    for name, (text, message) in bad.items():
        (tmp_path / name).write_text(text)
        before = sorted(p.name for p in tmp_path.rglob("*"))
        wrong = silly_llm(phase.command, "--config", tmp_path / name, cwd=tmp_path)
        assert wrong.returncode == 2, (name, wrong.stderr)
        assert message in wrong.stderr and wrong.stderr.startswith("silly-llm: ")
        assert len(wrong.stderr.splitlines()) == 1, wrong.stderr
        assert sorted(p.name for p in tmp_path.rglob("*")) == before
