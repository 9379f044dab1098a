"""The `silly-llm` command. Imports nothing heavy until it knows which phase to run."""

from __future__ import annotations

import importlib
import sys

from silly_llm import __version__
from silly_llm.core.console import streams
from silly_llm.core.errors import suggestion
from silly_llm.core.launch import fail, phase_help, run_main, wants_help
from silly_llm.core.phases import PHASES

TOOLS = {
    "compare": ("silly_llm.evaluation.compare", "compare the results of several evaluations"),
    "sweep": ("silly_llm.commands.sweep.command", "run one recipe at every point of a grid and plot the results"),
    "run": ("silly_llm.commands.run", "run a recipe folder, phase by phase"),
    "publish": ("silly_llm.hub.publish", "upload a dataset or model folder to the Hugging Face Hub"),
    "chat": ("silly_llm.commands.chat", "talk to a model"),
    "plugins": ("silly_llm.commands.plugins", "list every component and where it comes from"),
    "recipes": ("silly_llm.commands.recipes", "list the recipe folders; --check checks every file"),
}
"""Commands that are not phases: module with `main(argv)`, one-line summary."""


def main(argv: list[str] | None = None) -> None:
    """Entry point of `silly-llm`."""
    command, *rest = (sys.argv[1:] if argv is None else argv) or [""]
    streams.prepare(debug="--debug" in rest)
    with streams.until_nobody_reads():
        if not command:
            fail("no command given: silly-llm --help lists them; to start: silly-llm run quickstart", 2)
        elif command in ("-h", "--help", "help"):
            print(usage())
        elif command == "--version":
            print(f"silly-llm {__version__}")
        elif command in PHASES and wants_help(rest):
            print(phase_help(PHASES[command]))
        elif command in PHASES or command in TOOLS:
            module = PHASES[command].module if command in PHASES else TOOLS[command][0]
            run_main(lambda argv: importlib.import_module(module).main(argv), rest)
        else:
            fail(f"unknown command {command!r}{suggestion(command, [*PHASES, *TOOLS])}; see silly-llm --help", 2)


def usage() -> str:
    """The text of `silly-llm --help`."""
    width = max(map(len, [*PHASES, *TOOLS]))
    phases = [f"  {phase.command:<{width}}  {phase.summary}" for phase in PHASES.values()]
    tools = [f"  {name:<{width}}  {summary}" for name, (_, summary) in TOOLS.items()]
    return "\n".join([
        f"silly-llm {__version__}: small language models from synthetic stories\n",
        "usage: silly-llm COMMAND [--config RECIPE] [--key value …]\n",
        *("the five phases:", *phases, "", "tools:", *tools, ""),
        "silly-llm COMMAND --help lists the keys of a command.\nTo start: silly-llm run quickstart",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
