"""Which checkpoint a training begins from: `resume_from_checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from silly_llm.core.folders.output import is_finished
from silly_llm.core.lookup import looked_for
from silly_llm.training.checkpoints import STATE, last_checkpoint
from silly_llm.training.keys import refuse_if


def check_named(asked: Any) -> None:
    """A checkpoint that a recipe names is one.

    Raises:
        RecipeError: it is not.
    """
    if isinstance(asked, str):
        path = Path(asked)
        is_one = (path / STATE).is_file()
        refuse_if(
            path.is_dir() and not is_one, f"resume_from_checkpoint: {asked} is no checkpoint (it has no {STATE})"
        )
        refuse_if(
            not is_one,
            f"resume_from_checkpoint: no such folder {asked!r}{looked_for(path)}; one of the Hub is downloaded first: "
            "hf download USER/MODEL --include 'last-checkpoint/*' --local-dir DIR",
        )


def check_resume(args: Any, force: bool) -> None:
    """What `resume_from_checkpoint` asks of the output folder is there; to be called before anything is written.

    Raises:
        RecipeError: `true`, and there is no checkpoint; or `false`, and one would be lost.
    """
    folder, asked = Path(str(args.output_dir)), args.resume_from_checkpoint
    if not isinstance(asked, bool) or is_finished(folder):
        return
    there = sorted(folder.glob("checkpoint-*"))
    why = "--force begins anew" if force else f"there is no checkpoint in {folder}"
    refuse_if(asked and (force or not there), f"resume_from_checkpoint: {why}")
    refuse_if(
        not asked and there and not force,
        f"resume_from_checkpoint: false begins anew, and {there[-1] if there else None} would be lost; give --force or another output_dir",
    )


def checkpoint_of(args: Any) -> str | None:
    """The checkpoint to continue from: the newest of the output folder, unless the recipe names one.

    One that is named and lies elsewhere is where the training began: what it has saved since then goes before it.
    """
    newest, named = last_checkpoint(str(args.output_dir)), args.resume_from_checkpoint
    if not isinstance(named, str):
        return newest
    inside = Path(named).resolve().parent == Path(str(args.output_dir)).resolve()
    return named if newest is None or inside else newest
