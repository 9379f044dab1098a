"""Whether a training begins, and from which checkpoint: `do_train` and `resume_from_checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.output import is_finished
from silly_llm.core.lookup import looked_for
from silly_llm.training.checkpoints import last_checkpoint


def check_run(args: Any) -> None:
    """`do_train` and `resume_from_checkpoint` ask for what these phases do.

    Raises:
        RecipeError: they do not.
    """
    if not args.do_train:
        raise RecipeError("do_train: a training trains; `silly-llm evaluate --model DIR` measures a model")
    asked = args.resume_from_checkpoint
    if isinstance(asked, str) and not (Path(asked) / "trainer_state.json").is_file():
        if Path(asked).is_dir():
            raise RecipeError(f"resume_from_checkpoint: {asked} is no checkpoint (it has no trainer_state.json)")
        raise RecipeError(
            f"resume_from_checkpoint: no such folder {asked!r}{looked_for(Path(asked))}; one of the Hub is downloaded first: "
            "hf download USER/MODEL --include 'last-checkpoint/*' --local-dir DIR"
        )


def check_resume(args: Any, force: bool) -> None:
    """To be called before anything is written: what `resume_from_checkpoint` asks of the output folder is there.

    Args:
        args: a `PretrainArguments` or `SftArguments`.
        force: the training begins anew whatever is there.

    Raises:
        RecipeError: `true`, and there is no checkpoint; or `false`, and one would be lost.
    """
    folder = Path(str(args.output_dir))
    if not isinstance(args.resume_from_checkpoint, bool) or is_finished(folder):
        return
    there = sorted(folder.glob("checkpoint-*"))
    if args.resume_from_checkpoint and (force or not there):
        why = "--force begins anew" if force else f"there is no checkpoint in {folder}"
        raise RecipeError(f"resume_from_checkpoint: {why}")
    if not args.resume_from_checkpoint and there and not force:
        raise RecipeError(
            f"resume_from_checkpoint: false begins anew, and {there[-1]} would be lost; give --force or another output_dir"
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
