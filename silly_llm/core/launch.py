"""What launches a command: streams, signals, errors as one line, exit codes, the help of a phase."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import dataclasses
import errno
import importlib
import os
import shlex
import shutil
import signal
import sys
import traceback
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.console import streams
from silly_llm.core.console.masking import mask
from silly_llm.core.console.signals import SIGNALS, Stopped, as_ctrl_c, first_heard, handled
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.lookup import name_of
from silly_llm.core.phases import PHASES, Phase
from silly_llm.core.schema import default_of

if TYPE_CHECKING:
    from silly_llm.core.config import Recipe

NO_ROOM = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file would be larger than is allowed here (ulimit -f)",
}
EXIT_CODES: list[int] = []
"""That of a launched process which was in a process group."""


def run_main(main: Callable[[list[str]], None], argv: list[str] | None = None) -> None:
    """Run a phase's `main` and turn what it raises into one line and an exit code.

    Codes: 2 for a bad recipe or option, 1 for a failed run, 128 + its number for a signal (130 for Ctrl-C), 141 when nobody reads
    the output any more. `--debug` shows the traceback of an error instead.
    """
    argv = sys.argv[1:] if argv is None else argv
    streams.prepare(debug="--debug" in argv)
    phase = next((p for p in PHASES.values() if p.module == _module_of(main)), None)
    try:
        with streams.until_nobody_reads(), handled(SIGNALS[1:], as_ctrl_c):
            print(phase_help(phase)) if phase and wants_help(argv) else main(argv)
    except Stopped as stop:
        fail(str(stop), 128 + stop.number)
    except KeyboardInterrupt:
        number = first_heard()
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        fail(f"stopped{by}; the same command continues from there", 128 + number)
    except Exception as error:
        code = 2 if isinstance(error, RecipeError) else 1
        if "--debug" in argv:
            print(mask(traceback.format_exc(), loosely=True), end="", file=sys.stderr, flush=True)
            raise SystemExit(code) from None
        fail(_one_line(error), code)
    finally:
        _leave_process_group(sys.exc_info()[1])


def _one_line(error: Exception) -> str:
    reason = " ".join(str(error).split())
    if isinstance(error, (RecipeError, RunError)):
        return reason
    if full := next((said for number, said in NO_ROOM.items() if os.strerror(number) in reason), None):
        return f"{full}; make room, and the same command continues"
    return f"{type(error).__name__}: {reason} (--debug shows where)"


def _leave_process_group(error: BaseException | None) -> None:
    """As torch asks for; but of a failed process NCCL would first wait for what others never send."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return
    if error is None or "nccl" not in distributed.get_backend():
        distributed.destroy_process_group()
    if "RANK" in os.environ:
        EXIT_CODES.append(int(error.code or 0) if isinstance(error, SystemExit) else int(error is not None))


@atexit.register  # before the libraries register theirs: it is called last
def exit_at_once() -> None:
    """End a process that was in a process group without tearing its interpreter down.

    Threads of a group may outlive `destroy_process_group`, as long as anything refers to it (gloo's do, under DDP and FSDP): met by the
    interpreter's end they abort a process that has done its work (-6, "terminate called without an active exception").
    """
    if EXIT_CODES:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(EXIT_CODES[-1])


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> typing.NoReturn:
        raise RecipeError(f"{self.prog.removeprefix('silly-llm ')}: {message}; see {self.prog} --help")


def fail(message: str, code: int) -> typing.NoReturn:
    """Print one line to stderr and exit; the other processes of a distributed run stay silent."""
    if streams.is_main_process():
        print(f"silly-llm: {mask(message, loosely=True)}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def wants_help(argv: list[str]) -> bool:
    return bool({"-h", "--help"}.intersection(argv))


PHASE_HELP = """silly-llm {command}: {summary}

usage: silly-llm {command} --config RECIPE [--environment NAME] [--key value …]
       python -m {runnable} --config RECIPE [--key value …]

keys of a recipe, and options:
{keys}

for every phase:
  --config FILE           the recipe (YAML or JSON)
  --environment NAME      one of the recipe's environments (or SILLY_LLM_ENVIRONMENT)
  --output_root DIR       root folder for ${{run:…}} in recipes (default: runs)
  --print_config          print the resolved recipe, secrets masked, and stop
  --force                 start over; other files that are in the way are moved aside, never deleted
  --debug                 show the traceback of an error"""


def phase_help(phase: Phase) -> str:
    """The text of `silly-llm PHASE --help`: the phase's own keys with their defaults."""
    module, _, name = phase.arguments.partition(":")
    lines = []
    for field in dataclasses.fields(getattr(importlib.import_module(module), name)):
        default = default_of(field)
        shown = "" if default is None or default in ("", [], {}) else f"  (default: {default})"
        lines.append(f"  --{field.name}{'  (required)' if default is dataclasses.MISSING else shown}")
        if help_text := field.metadata.get("help"):
            lines.append(f"      {help_text}")
    if phase.passes_to:
        lines += ["", f"and every key of {phase.passes_to}."]
    return PHASE_HELP.format(
        command=phase.command, summary=phase.summary, runnable=phase.runnable, keys="\n".join(lines)
    )


def _module_of(main: Callable) -> str:
    """The module a `main` stands in, also when that module runs as `__main__`."""
    spec = sys.modules["__main__"].__spec__ if main.__module__ == "__main__" else None
    return spec.name if spec else main.__module__


def next_command(recipe: Recipe[Any], command: str, *words: object) -> str:
    """The command line of a later phase: its recipe beside this one, else the one that others extend."""
    name = PHASES[command].recipe
    sibling = recipe.file.with_name(name) if recipe.file else None
    if sibling is None or not sibling.is_file():
        return command_line(command, "--config", Path("base", name), *words)
    options = ["--config", name_of(sibling)]
    if recipe.environment != "default":
        options += ["--environment", recipe.environment]
    if recipe.options.output_root != "runs":
        options += ["--output_root", recipe.options.output_root]
    return command_line(command, *options, *words)


def command_line(*words: object) -> str:
    """`silly-llm WORDS…` as it can be typed into a shell in the current folder."""
    return f"{executable()} {shlex.join(map(str, words))}"


def executable() -> str:
    """How to call this `silly-llm` from a shell in the current folder: by name when the path leads to it, else with its path."""
    found, beside_python = shutil.which("silly-llm"), Path(sys.executable).with_name("silly-llm")
    if not beside_python.exists():
        return "silly-llm" if found else f"{shlex.quote(sys.executable)} -m silly_llm.cli"
    if found and Path(found).samefile(beside_python):
        return "silly-llm"
    inside = beside_python.is_relative_to(Path.cwd())
    return shlex.quote(str(beside_python.relative_to(Path.cwd()) if inside else beside_python))
