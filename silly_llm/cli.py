"""The `silly-llm` command. Imports nothing heavy until it knows which phase to run."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import dataclasses
import errno
import importlib
import os
import signal
import sys
import traceback
import typing
from collections.abc import Callable

from silly_llm import __version__, terminal
from silly_llm.errors import RecipeError, RunError, suggestion
from silly_llm.masking import mask
from silly_llm.phases import PHASES, Phase
from silly_llm.signals import Stopped, first_heard, listening

NO_ROOM = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file would be larger than is allowed here (ulimit -f)",
}

TOOLS = {
    "compare": ("silly_llm.evaluation.compare", "set the results of several evaluations side by side"),
    "sweep": ("silly_llm.sweep.command", "run one recipe at every point of a grid, and plot what came out"),
    "run": ("silly_llm.pipeline", "run a recipe folder, phase by phase"),
    "publish": ("silly_llm.hub", "upload a dataset or model folder to the Hugging Face Hub"),
    "chat": ("silly_llm.chat", "talk to a model"),
    "plugins": ("silly_llm.plugins", "list every component, and where it comes from"),
    "recipes": ("silly_llm.recipes", "list the recipe folders; --check checks every file"),
}
"""The commands that are not a phase: module with `main(argv)`, one line."""


def main(argv: list[str] | None = None) -> None:
    """Entry point of `silly-llm`."""
    argv = sys.argv[1:] if argv is None else argv
    terminal.prepare(debug="--debug" in argv)
    with terminal.until_nobody_reads():
        dispatch(argv)


def dispatch(argv: list[str]) -> None:
    """Do what a command line says."""
    if not argv:
        fail("name a command: silly-llm --help lists them; begin with: silly-llm run quickstart", 2)
    command, rest = argv[0], argv[1:]
    if command in ("-h", "--help", "help"):
        print(usage())
    elif command == "--version":
        print(f"silly-llm {__version__}")
    elif command in PHASES:
        if wants_help(rest):
            print(phase_help(PHASES[command]))
        else:
            run_main(importlib.import_module(PHASES[command].module).main, rest)
    elif command in TOOLS:
        run_main(importlib.import_module(TOOLS[command][0]).main, rest)
    else:
        fail(f"unknown command {command!r}{suggestion(command, [*PHASES, *TOOLS])}; see silly-llm --help", 2)


def run_main(main: Callable[[list[str]], None], argv: list[str] | None = None) -> None:
    """Run a phase's `main` and turn what it raises into one line and an exit code.

    Codes: 2 for a bad recipe or option, 1 for a failed run, 128 + its number for a signal (130 for Ctrl-C), 141 when nobody reads
    the output any more. `--debug` shows the traceback of an error instead.
    """
    argv = sys.argv[1:] if argv is None else argv
    terminal.prepare(debug="--debug" in argv)
    phase = next((p for p in PHASES.values() if p.module == _module_of(main)), None)
    try:
        with terminal.until_nobody_reads(), listening():
            print(phase_help(phase)) if phase and wants_help(argv) else main(argv)
    except Stopped as stop:
        fail(str(stop), 128 + stop.number)
    except KeyboardInterrupt:
        number = first_heard()
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        fail(f"stopped{by}; the same command continues where it was", 128 + number)
    except Exception as error:
        if "--debug" in argv:
            print(mask(traceback.format_exc(), loosely=True), end="", file=sys.stderr, flush=True)
            raise SystemExit(2 if isinstance(error, RecipeError) else 1) from None
        if isinstance(error, RecipeError):
            fail(str(error), 2)
        reason = " ".join(str(error).split())
        full = next((said for said in NO_ROOM if os.strerror(said) in reason), None)
        if not isinstance(error, RunError) and full is not None:
            fail(f"{NO_ROOM[full]}; make room, and the same command continues", 1)
        fail(
            reason
            if isinstance(error, RunError)
            else f"{type(error).__name__}: {reason} (--debug shows where)",
            1,
        )
    finally:
        if "torch.distributed" in sys.modules:
            from silly_llm.training.engines import leave_process_group

            ended = sys.exc_info()[1]
            if leave_process_group(failed=ended is not None) and "RANK" in os.environ:
                EXIT_CODES.append(
                    int(ended.code or 0) if isinstance(ended, SystemExit) else int(ended is not None)
                )


EXIT_CODES: list[int] = []
"""That of a launched process which was in a process group."""


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
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"silly-llm: {mask(message, loosely=True)}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def wants_help(argv: list[str]) -> bool:
    return any(token in ("-h", "--help") for token in argv)


def usage() -> str:
    """The text of `silly-llm --help`."""
    width = max(map(len, [*PHASES, *TOOLS]))
    lines = [f"silly-llm {__version__}: small language models from synthetic stories", ""]
    lines += ["usage: silly-llm COMMAND [--config RECIPE] [--key value …]", "", "the five phases:"]
    lines += [f"  {phase.command:<{width}}  {phase.summary}" for phase in PHASES.values()]
    lines += ["", "tools:"]
    lines += [f"  {name:<{width}}  {summary}" for name, (_, summary) in TOOLS.items()]
    lines += [
        "",
        "silly-llm COMMAND --help lists the keys of a command.",
        "Begin with: silly-llm run quickstart",
    ]
    return "\n".join(lines)


def phase_help(phase: Phase) -> str:
    """The text of `silly-llm PHASE --help`: the phase's own keys with their defaults."""
    module, _, name = phase.arguments.partition(":")
    cls = getattr(importlib.import_module(module), name)
    lines = [f"silly-llm {phase.command}: {phase.summary}", ""]
    lines += [f"usage: silly-llm {phase.command} --config RECIPE [--environment NAME] [--key value …]"]
    lines += [
        f"       python -m {phase.module} --config RECIPE [--key value …]",
        "",
        "keys of a recipe, and options:",
    ]
    for field in dataclasses.fields(cls):
        lines.append(f"  --{field.name}{_default(field)}")
        if help_text := field.metadata.get("help"):
            lines.append(f"      {help_text}")
    if phase.passes_to:
        lines += ["", f"and every key of {phase.passes_to}."]
    lines += ["", "for every phase:"]
    lines += ["  --config FILE           the recipe (YAML or JSON)"]
    lines += ["  --environment NAME      one of the recipe's environments (or SILLY_LLM_ENVIRONMENT)"]
    lines += ["  --output_root DIR       what ${run:…} in recipes lies below (default: runs)"]
    lines += ["  --print_config          print the resolved recipe, secrets masked, and stop"]
    lines += [
        "  --force                 begin anew; what is not ours and in the way is set aside, never deleted"
    ]
    lines += ["  --debug                 show the traceback of an error"]
    return "\n".join(lines)


def _default(field: dataclasses.Field) -> str:
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    elif field.default is dataclasses.MISSING:
        return "  (required)"
    else:
        value = field.default
    return "" if value is None or value in ("", [], {}) else f"  (default: {value})"


def _module_of(main: Callable) -> str:
    """The module a `main` stands in, also when that module runs as `__main__`."""
    spec = sys.modules["__main__"].__spec__ if main.__module__ == "__main__" else None
    return spec.name if spec else main.__module__


if __name__ == "__main__":
    main()
