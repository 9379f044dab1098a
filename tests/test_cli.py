"""The command line: instant help, one line for each mistake, the same `main` by every road."""

from __future__ import annotations

import importlib
import os
import runpy
import subprocess
import sys
from dataclasses import is_dataclass

import pytest
from locations import ROOT

from silly_llm.cli import TOOLS, main
from silly_llm.core.launch import run_main
from silly_llm.core.phases import PHASES

FULL = OSError(28, "No space left on device")
COMMANDS = [*PHASES, *TOOLS]
HEAVY = ("torch", "transformers", "datasets", "trl", "pandas", "pyarrow", "matplotlib", "scipy", "huggingface_hub")


def test_help_lists_every_command(silly_llm):
    shown = silly_llm("--help")
    assert shown.returncode == 0 and len(COMMANDS) == 13
    assert all(f"\n  {command} " in shown.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command, python):
    code = (
        "import sys\nfrom silly_llm.cli import main\n"
        f"try: main([{command!r}, '--help'])\nexcept SystemExit as stop: assert not stop.code\n"
        f"print('heavy:', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    shown = python(code).stdout
    assert f"silly-llm {command}" in shown and shown.endswith("heavy: []\n"), shown[-300:]


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
def test_a_script_calls_the_main_of_its_phase(phase):
    script = runpy.run_path(str(ROOT / "scripts" / f"{phase.command}.py"), run_name="looked at")
    module = importlib.import_module(phase.module)
    assert script["main"] is module.main and script["run_main"] is run_main
    assert is_dataclass(module.ARGUMENTS)


@pytest.mark.parametrize("command", ["vocabulary", "pretrain"])
def test_a_phase_runs_the_same_as_a_module_and_as_a_script(command, silly_llm):
    by_command = silly_llm(command, "--help").stdout
    for way in (["-m", PHASES[command].runnable], [ROOT / "scripts" / f"{command}.py"]):
        shown = subprocess.run([sys.executable, *way, "--help"], capture_output=True, text=True)
        assert shown.stdout == by_command, shown.stderr


BAD = {
    "unknown.yaml": (b"output_dri: x", "unknown key 'output_dri' (did you mean 'output_dir'?)"),
    "type.yaml": (b"output_dir: 3", "output_dir: expected text, got 3"),
    "empty.yaml": (b"", "is empty"),
    "latin.yaml": (b"output_dir: caf\xe9", "is not UTF-8 text"),
    "circle.yaml": (b"extends: circle.yaml", "circular extends"),
    "lost.yaml": (b"extends: nowhere.yaml", "no such file"),
    "unset.yaml": (b"output_dir: ${oc.env:SILLY_TEST_UNSET}", "environment variable SILLY_TEST_UNSET is not set"),
}


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
def test_a_bad_recipe_is_one_line_with_code_2_and_writes_nothing(phase, tmp_path, monkeypatch, capsys):
    """The command's own entry point; that a process ends the same way, see the next test."""
    monkeypatch.chdir(tmp_path)
    for name, (content, message) in BAD.items():
        (tmp_path / name).write_bytes(content)
        before = sorted(p.name for p in tmp_path.rglob("*"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([phase.command, "--config", name])
        wrong = capsys.readouterr().err
        assert stop.value.code == 2 and message in wrong, (name, wrong)
        assert wrong.startswith("silly-llm: ") and len(wrong.splitlines()) == 1, wrong
        assert sorted(p.name for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("pretrian", "unknown command 'pretrian' (did you mean 'pretrain'?); see silly-llm --help"),
        ("generate --config pretrian.yaml", "pretrian.yaml: no such recipe file (did you mean 'pretrain.yaml'?)"),
    ],
)
def test_a_process_ends_with_the_code_and_names_the_nearest(silly_llm, tmp_path, argv, said):
    (tmp_path / "pretrain.yaml").write_bytes(b"dataset: x")
    wrong = silly_llm(*argv.split(), cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (2, f"silly-llm: {said}\n")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(5, "Input/output error"), 1, "OSError: [Errno 5] Input/output error (--debug shows where)"),
        (FULL, 1, "no space left on the disk; make room, and the same command continues"),
        (KeyboardInterrupt(), 130, "stopped; the same command continues from there"),
    ],
)
def test_a_failed_run_is_one_line_with_its_code_and_debug_shows_where(error, code, said, capsys):
    def failing(argv):
        raise error

    with pytest.raises(SystemExit) as stop:
        run_main(failing, [])
    assert (stop.value.code, capsys.readouterr().err) == (code, f"silly-llm: {said}\n")
    with pytest.raises(SystemExit) as stop:
        run_main(failing, ["--debug"])
    assert stop.value.code == code and (code == 130 or "in failing\n" in capsys.readouterr().err)


@pytest.mark.parametrize(("then", "code"), [("", 0), ("raise RecipeError('a wrong key')", 2), ("1 / 0", 1)])
def test_a_process_of_a_group_ends_with_its_code_whatever_outlives_the_group(python, then, code):
    """As gloo's threads do, which abort an interpreter that is torn down around them. What libraries leave for the exit is done."""
    script = f"""
from silly_llm.core.launch import run_main
from silly_llm.core.errors import RecipeError
import atexit, os

class Outliving:
    def __del__(self, abort=os.abort):
        abort()

def main(argv):
    from torch import distributed
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    globals()["kept"] = Outliving()
    atexit.register(print, "uploaded", end="")
    {then}

run_main(main, [])
"""
    done = python(script, fails=code, RANK="0", PYTHONPATH=os.pathsep.join(sys.path))
    assert done.stdout == "uploaded" and len(done.stderr.splitlines()) == (code != 0)
