"""`silly-llm sweep`: run one training recipe at every point of a grid, each in a process of its own, and plot the results.

A point is the recipe with a few keys set, and its folder is what `silly-llm pretrain` leaves: so the same command skips finished points,
continues interrupted ones from their checkpoints, and tries failed ones again.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path

from silly_llm.commands.sweep.points import Point, Sweep, read_sweep
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.folders.files import PRIVATE
from silly_llm.core.folders.output import is_finished, is_up_to_date, open_tool_output, read_state, require_room
from silly_llm.core.folders.provenance import digest
from silly_llm.core.launch import run_main
from silly_llm.core.pages.markdown import code
from silly_llm.core.phases import PHASES

USAGE = """silly-llm sweep: run one recipe at every point of a grid and plot the results

usage: silly-llm sweep --config SWEEP [--dry_run] [--jobs N] [--environment NAME] [--force] [--key value …]

  --config SWEEP      a file such as recipes/tinystories/sweep.yaml, with the keys
                        recipe       the pretraining or tuning recipe, relative to the sweep's file
                        environment  of that recipe
                        set          keys with the same value at every point
                        grid         keys and their values: every combination is run; vary `seed` for error bars
                        runs         keys that vary together, one mapping per run (`name` names it)
                        output_dir   default: runs/NAME/ plus the name of the file
  --dry_run           list the points and which are done
  --jobs N            number of points to run at once (default: 1); GPUs are assigned in turn
  --environment NAME  one of the sweep's or recipe's environments (or SILLY_LLM_ENVIRONMENT)
  --output_root DIR   root folder for ${run:…} in recipes (default: runs)
  --force             run every point again
  --debug             show the traceback of an error

Running the same command again skips finished points, resumes interrupted ones and retries failed ones."""


def main(argv: list[str] | None = None) -> None:
    argv = list(sys.argv[1:] if argv is None else argv)
    if "-h" in argv or "--help" in argv:
        print(USAGE)
        return
    sweep = read_sweep(argv)
    require_room(sweep.folder, "sweep")

    # Check every point before the first begins: nobody waits a night for a typo
    done, gpus = look(sweep)
    print(f"{len(sweep.points)} points of {sweep.recipe} into {sweep.folder}, {sum(done)} done")
    for point, is_done in zip(sweep.points, done, strict=True):
        print(f"  {state_of(point, is_done):<12}{point.name}")
    if sweep.dry_run:
        return

    with open_tool_output(sweep.folder, "sweep"):
        run(sweep, done, gpus)


def run(sweep: Sweep, done: Sequence[bool], gpus: int) -> None:
    """Run the unfinished points and update the results after each.

    Raises:
        RunError: at the end, if points failed.
    """
    from silly_llm.commands.sweep.jobs import run_jobs
    from silly_llm.commands.sweep.plots import draw
    from silly_llm.commands.sweep.results import group, markdown_table, verdicts, write_rows
    from silly_llm.core.pages.render import write_page

    started = time.monotonic()
    finished = {point.name for point, is_done in zip(sweep.points, done, strict=True) if is_done}
    to_run = [point for point in sweep.points if point.name not in finished]
    failed: dict[str, str] = {}

    with closing(run_jobs(to_run, sweep.phase.runnable, jobs=sweep.jobs, gpus=gpus)) as ended:
        for point, reason in ended:
            if reason is None:
                finished.add(point.name)
                write_rows([p for p in sweep.points if p.name in finished], sweep.folder)
            else:
                failed[point.name] = reason
            print(f"{len(finished) + len(failed)}/{len(sweep.points)} {outcome(point, reason)}", flush=True)

    rows = write_rows([p for p in sweep.points if p.name in finished], sweep.folder)
    labels = list(dict.fromkeys(key for point in sweep.points for key in point.labels))
    keys = list(dict.fromkeys(key for point in sweep.points for key in point.values))
    groups = group(rows, labels)
    table = markdown_table(groups, labels)
    best = verdicts(groups)
    page = {"title": sweep.file, "count": len(rows), "command": code(f"silly-llm sweep --config {sweep.file}")}
    page |= {"table": table, "best": best, "plots": draw(groups, sweep.folder / "plots", keys), "failed": failed}
    write_page(sweep.folder / "README.md", page, "sweep.md")
    print("\n".join(["", table, *best, ""]))
    print(f"{len(to_run)} trainings in {time.monotonic() - started:.0f} s")
    for name, reason in failed.items():
        print(f"✗ {name}: {reason} (full output: {sweep.folder / 'points' / name}.log)")
    print(f"Report: {sweep.folder / 'README.md'}")
    if failed:
        raise RunError(f"{len(failed)} of {len(sweep.points)} points failed; run the same command to retry them")


def look(sweep: Sweep) -> tuple[list[bool], int]:
    """Check the recipe of every point; returns which points are done and the number of GPUs.

    Runs in a separate process, so that the memory of its libraries, also on the GPU, is freed when it ends.

    Raises:
        RecipeError: the phase's error for the first invalid point.
    """
    named = [(f"{sweep.file}: {p.name}", p.argv) for p in sweep.points]
    quiet = (signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=signal.signal, initargs=quiet) as pool:
        return pool.submit(look_at, sweep.phase.command, named, sweep.dry_run).result()


def look_at(command: str, named: list[tuple[str, list[str]]], dry: bool) -> tuple[list[bool], int]:
    """`look` for the command lines of a phase, each with the name that its messages start with."""
    import torch

    from silly_llm.commands.check import check_recipe
    from silly_llm.core.registry import only_registered
    from silly_llm.data.sources import open_source

    digest_once = functools.cache(digest)  # all points read the same data
    done = []
    for name, argv in named:
        try:
            with only_registered() if dry else nullcontext():
                recipe = check_recipe(PHASES[command], argv)
            data = [open_source(d) for d in (recipe.args.dataset, recipe.args.eval_dataset) if d is not None]
            inputs = read_state(Path(recipe.args.output_dir)).get("inputs", {})  # of before
            inputs = {name: digest_once(name) for name in (*inputs, *(path for d in data for path in d.inputs()))}
            done.append(is_up_to_date(recipe, inputs))
        except RecipeError as error:  # also for a finished model of another recipe
            raise type(error)(f"{name}: {error}") from None
    return done, torch.cuda.device_count()


def state_of(point: Point, done: bool) -> str:
    """What will happen to a point, in a word or two."""
    if done:
        return "done"
    if is_finished(point.folder):
        return "restarts" if "--force" in point.argv else "extends"
    return "continues" if (point.folder / PRIVATE / "run.json").exists() else "to do"


def outcome(point: Point, reason: str | None) -> str:
    """The line that reports the outcome of a point."""
    if reason is not None:
        return f"✗ {point.name}: {reason}"
    facts = json.loads((point.folder / "provenance.json").read_text(encoding="utf-8"))
    measured = ", ".join(f"{k.replace('_', ' ')} {v:.3f}" for k, v in facts.get("metrics", {}).items())
    return f"✓ {point.name}: {measured} ({facts.get('training_seconds', 0):.0f} s)"


if __name__ == "__main__":
    run_main(main)
