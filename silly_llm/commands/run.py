"""`silly-llm run FOLDER`: run a recipe folder, phase by phase, each into its own folder under `runs/NAME/`.

A phase with unchanged inputs and resolved recipe is skipped, an interrupted one is resumed. The phases do both themselves
(`silly_llm.core.folders.output`), so a phase run alone behaves the same.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from silly_llm.commands.check import check_recipe
from silly_llm.core.config import Options, parse_argv, run_name_of
from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.folders.files import PRIVATE
from silly_llm.core.launch import command_line, wants_help
from silly_llm.core.lookup import locate, packaged_recipes
from silly_llm.core.phases import PHASES, Phase, phase_named

USAGE = """silly-llm run: run a recipe folder, phase by phase

usage: silly-llm run FOLDER [--from PHASE] [--to PHASE] [--force] [--environment NAME] [--output_root DIR]

  FOLDER              a folder of recipes, local or in the package (quickstart; see silly-llm recipes)
  --from PHASE        start with this phase; use the existing output of earlier ones
  --to PHASE          stop after this phase
  --force             restart the phases; other files that are in the way are moved aside, never deleted
  --environment NAME  one of the recipes' environments (or SILLY_LLM_ENVIRONMENT)
  --output_root DIR   write to DIR/NAME/ instead of runs/NAME/
  --PHASE.KEY VALUE   override a key of one phase's recipe, as in --generate.num_stories 500
  --debug             show the traceback of an error

phases: """ + ", ".join(PHASES)


def main(argv: list[str] | None = None) -> None:
    argv = list(sys.argv[1:] if argv is None else argv)
    if wants_help(argv):
        print(USAGE)
        return
    if argv and not argv[0].startswith("--"):
        folder = locate(argv.pop(0))
    elif len(argv) >= 2 and not argv[-1].startswith("--") and argv[-2] in ("--force", "--debug"):
        folder = locate(argv.pop())
    else:
        begin = "silly-llm run FOLDER … (to start: silly-llm run quickstart)"
        raise RecipeError(f"command line: name the recipe folder first: {begin}")
    options = parse_argv(argv)
    phases = select(folder, options.overrides.pop("from", None), options.overrides.pop("to", None))
    if options.config or options.print_config:
        option = "config" if options.config else "print_config"
        raise RecipeError(f"command line: --{option} is for a single phase: silly-llm PHASE …")
    by_phase = phase_options(folder, phases, options)

    # Every recipe is checked before the first phase starts, so a typo does not surface after an hour.
    for phase in phases:
        check_recipe(phase, by_phase[phase.command])

    run = Path(options.output_root) / run_name_of(folder / phases[0].recipe, options.environment)
    started = time.monotonic()
    for number, phase in enumerate(phases, 1):
        print(f"\n── {number}/{len(phases)} {phase.command}: {phase.summary} ──", flush=True)
        importlib.import_module(phase.module).main(by_phase[phase.command])
    summarize(run, phases, time.monotonic() - started)


def select(folder: Path, first: str | None, last: str | None) -> list[Phase]:
    """The phases of a recipe folder from `first` to `last`, in order; raises a RecipeError if there are none."""
    if folder.is_file():
        raise RecipeError(f"{folder}: is a file; name the recipe folder that contains it")
    if not folder.is_dir():
        near = suggestion(folder.name, [*(p.name for p in folder.parent.glob("*") if p.is_dir()), *packaged_recipes()])
        raise RecipeError(f"{folder}: no such recipe folder, neither here nor in the package{near}")
    known = list(PHASES.values())
    bounds = []
    for name, default in ((first, known[0]), (last, known[-1])):
        phase = phase_named(str(name)) if name is not None else default
        if phase is None:
            near = suggestion(str(name), PHASES)
            raise RecipeError(f"unknown phase {str(name)!r}{near}; known: {', '.join(PHASES)}")
        bounds.append(known.index(phase))
    if bounds[0] > bounds[1]:
        raise RecipeError(f"--from {first} comes after --to {last}")
    wanted = known[bounds[0] : bounds[1] + 1]
    phases = [phase for phase in wanted if (folder / phase.recipe).is_file()]
    if not phases:
        raise RecipeError(f"{folder}: contains none of {', '.join(phase.recipe for phase in wanted)}")
    return phases


def phase_options(folder: Path, phases: list[Phase], options: Options) -> dict[str, Options]:
    """The options of each phase, by command: `--generate.num_stories 500` sets `num_stories` of `generate`."""
    by_phase = {p.command: replace(options, config=str(folder / p.recipe), overrides={}) for p in phases}
    for name, said in options.overrides.items():
        phase = phase_named(name)
        if phase is None or not isinstance(said, dict):
            near = suggestion(name, [*PHASES, "from", "to", "force", "environment"])
            way_out = "write keys of a recipe as --PHASE.KEY VALUE"
            raise RecipeError(f"command line: unknown option --{name}{near}; {way_out}")
        if phase.command not in by_phase:
            raise RecipeError(f"command line: --{name}.{next(iter(said))}: this run has no phase {phase.command}")
        if by_phase[phase.command].overrides:
            raise RecipeError(f"command line: --{name}.… and another name for the same phase are both given")
        by_phase[phase.command].overrides = said
    return by_phase


def summarize(run: Path, phases: list[Phase], seconds: float) -> None:
    """Print what was made, how long it took and what to do next."""

    def read(phase: str, name: str) -> dict:
        file = run / PHASES[phase].folder / name
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    print(f"\n{'phase':<12}{'seconds':>9}  folder")
    for phase in phases:
        took = read(phase.command, "provenance.json").get("seconds", float("nan"))
        print(f"{phase.command:<12}{took:>9.0f}  {run / phase.folder}")
    print(f"{'this run':<12}{seconds:>9.0f}\n")
    if words := read("vocabulary", "vocabulary.json"):  # a small model knows few words outside its training stories
        print(f"Try:     Words: {words['nouns'][0]}, {words['verbs'][0]}, {words['adjectives'][0]}")
    report = run / PHASES["evaluate"].folder / "report.html"
    if report.is_file():
        print(f"Report:  {report}")
    models = [run / PHASES[command].folder for command in ("sft", "pretrain")]
    if model := next((m for m in models if (m / "config.json").is_file() and (m / PRIVATE).is_dir()), None):
        print(f"Chat:    {command_line('chat', model)}")
