"""Checkpoints that a training can trust: sealed by digests when they are saved, examined before one is resumed from.

A checkpoint that is being written holds `UNFINISHED`; at last it gets its `DIGESTS`, and `STATE` its name. What is damaged later is named
and put aside, and the one before it is used.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from safetensors import safe_open
from transformers.trainer_pt_utils import safe_globals

from silly_llm.core.config import Recipe
from silly_llm.core.console.signals import Stopped, first_heard
from silly_llm.core.console.streams import is_main_process
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.folders.files import PRIVATE, write_text
from silly_llm.core.folders.manifest import file_digest
from silly_llm.core.folders.output import Output, is_finished, open_output
from silly_llm.core.folders.provenance import fingerprint

DIGESTS = "digests.json"
"""The SHA-256 of each file of a checkpoint, by its path inside, and one of those themselves."""
UNFINISHED = "checkpoint-is-incomplete.txt"
"""In a checkpoint that is being written; the name is transformers' own for it."""
STATE = "trainer_state.json"
"""Takes its name last of all: a checkpoint that has it was saved to the end."""
PARTIAL = ".partial"
READ_BY_RESUMING = ("*.json", "*.safetensors", "optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state*.pth")
PARTS = (
    (STATE,), ("model.safetensors", "*model*", "global_step*"), ("optimizer.pt", "optimizer*", "global_step*"),
    ("scheduler.pt", "global_step*"), ("rng_state.pth", "rng_state*"),
)  # fmt: skip
"""What a checkpoint without digests must have, by one of its names; `global_step*` is DeepSpeed's."""
NOT_OF_THE_MODEL = ("_name_or_path", "dtype", "transformers_version")
"""What a configuration says beside what its model is."""


def seal(folder: Path, args: Any) -> None:
    """Bring a checkpoint to the disk and write its digests; each process reads its share of the files."""
    if args.world_size > 1:
        torch.distributed.barrier()  # all of them are written
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (DIGESTS, UNFINISHED)]
    digests = []
    for path in files[args.process_index :: args.world_size]:
        with path.open("rb") as file:
            os.fsync(file.fileno())
        digests.append((str(path.relative_to(folder)).removesuffix(PARTIAL), file_digest(path)))
    sealed = dict(gather_object(digests))
    if args.should_save:
        write_text(folder / DIGESTS, json.dumps({"sha256": sealed, "seal": fingerprint(sealed)}, indent=1))
        (folder / f"{STATE}{PARTIAL}").rename(folder / STATE)
        (folder / UNFINISHED).unlink()


def fault_of(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, in a few words; `None` when it is whole. Nothing is unpickled whose digest is another.

    One that was saved without digests is whole when its files can be read.
    """
    if not (checkpoint / DIGESTS).is_file():
        for names in PARTS:
            if not any(path for name in names for path in checkpoint.glob(name)):
                return f"{names[0]} is missing"
        for path in sorted(p for pattern in READ_BY_RESUMING for p in checkpoint.glob(pattern)):
            try:
                examine(path)
            except Exception as error:
                return f"{path.name} cannot be read ({type(error).__name__})"
        return None
    try:
        said = json.loads((checkpoint / DIGESTS).read_text(encoding="utf-8"))
        digests = dict(said["sha256"])
        sealed = {"seal": fingerprint(digests), **said}  # the first ones had no seal
    except (ValueError, KeyError, TypeError):
        return f"{DIGESTS} cannot be read"
    if sealed != {"seal": fingerprint(digests), "sha256": digests}:
        return f"{DIGESTS} is not what was saved"
    for name, expected in digests.items():
        if not (checkpoint / name).is_file():
            return f"{name} is missing"
        if file_digest(checkpoint / name) != expected:
            return f"{name} is not what was saved"
    return None


def examine(path: Path) -> None:
    """Open a file as resuming would, with little of it in memory, and compare the checksums of an archive."""
    if path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".safetensors":
        with safe_open(path, "pt"):
            pass
    else:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise zipfile.BadZipFile
        with safe_globals():
            torch.load(path, weights_only=True, mmap=True, map_location="cpu")


def checkpoints_in(folder: str | Path, *, torsos: bool = False) -> list[Path]:
    """The checkpoints of a model folder, the newest first; or the torsos that we left when we died while writing or removing one."""
    found = [p for p in Path(folder).glob("checkpoint-*") if p.is_dir() and p.name[11:].isdigit()]
    begun = {p for p in found if (p / UNFINISHED).is_file() or not any(p.iterdir())}  # at first its folder is empty
    left = {p for p in begun if not (p / STATE).is_file()}
    return sorted((p for p in found if (p in left) is torsos), key=lambda path: int(path.name[11:]), reverse=True)


def last_checkpoint(folder: str | Path) -> str | None:
    """The newest whole checkpoint of an interrupted training, `None` when there is none; a RunError where none of several is whole.

    The first process comes first: it removes its own torsos, and puts what is damaged aside, below `.silly/damaged`; others find that.
    """
    found = checkpoints_in(folder)
    for torso in checkpoints_in(folder, torsos=True) if is_main_process() else []:
        for path in sorted(torso.iterdir(), key=lambda path: path.name == UNFINISHED):  # its mark goes last
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        torso.rmdir()
    if not found or not is_main_process():
        return str(found[0]) if found else None
    faults: dict[Path, str] = {}
    for checkpoint in found:
        if (fault := fault_of(checkpoint)) is None:
            break
        faults[checkpoint] = fault
    damaged = ", ".join(f"{path.name} ({fault})" for path, fault in faults.items())
    if len(faults) == len(found):
        raise RunError(
            f"{folder}: every checkpoint is damaged: {damaged}; put a copy there, or start over with --force"
        )
    if faults:
        place = Path(folder) / PRIVATE / "damaged"
        place.mkdir(parents=True, exist_ok=True)
        for path in faults:
            names = (path.name, *(f"{path.name}.{n}" for n in range(1, 1000)))
            path.rename(next(place / name for name in names if not (place / name).exists()))
        message = f"silly-llm: damaged: {damaged}; kept in {place}; the training continues from {checkpoint}"
        print(message, file=sys.stderr, flush=True)
    return str(checkpoint)


def check_resume(args: Any, force: bool) -> None:
    """Raise a RecipeError where `resume_from_checkpoint` is true and there is no checkpoint, or false and one would be lost."""
    folder, asked = Path(str(args.output_dir)), args.resume_from_checkpoint
    if not isinstance(asked, bool) or is_finished(folder):
        return
    there = sorted(folder.glob("checkpoint-*"))
    if asked and (force or not there):
        why = "--force starts over" if force else f"there is no checkpoint in {folder}"
        raise RecipeError(f"resume_from_checkpoint: {why}")
    if not asked and there and not force:
        lost = f"{there[-1]} would be lost; give --force or another output_dir"
        raise RecipeError(f"resume_from_checkpoint: false starts over, and {lost}")


def checkpoint_of(args: Any) -> str | None:
    """The checkpoint to continue from: the newest of the output folder, unless the recipe names one.

    One that is named and lies elsewhere is where the training began: what it has saved since then goes before it.
    """
    newest, named = last_checkpoint(str(args.output_dir)), args.resume_from_checkpoint
    if not isinstance(named, str):
        return newest
    inside = Path(named).resolve().parent == Path(str(args.output_dir)).resolve()
    return named if newest is None or inside else newest


def check_checkpoint(folder: str | Path, model: Any) -> None:
    """Raise a RunError where a checkpoint is damaged, or of another architecture or size than the model about to continue from it."""
    fault = fault_of(Path(folder)) if is_main_process() else None
    if fault is not None:
        raise RunError(f"{folder} is damaged: {fault}; name another checkpoint")
    saved = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    now = json.loads(model.config.to_json_string(use_diff=False))
    for key in ("model_type", *sorted(now.keys() - set(NOT_OF_THE_MODEL))):
        there, here = saved.get(key, now[key]), now[key]
        if isinstance(here, (int, str)) and not isinstance(here, bool) and there != here:
            raise RunError(f"{folder} is of another model: {key} is {there}, not {here}; remove it to start over")


@contextmanager
def open_training(recipe: Recipe[Any], inputs: Iterable[str | Path | None]) -> Iterator[Output | None]:
    """The open output folder of a training, `None` where it is done; stopped (`Stopped`) it says what it can be continued from."""
    folder = str(recipe.args.output_dir)
    with open_output(recipe, inputs) as output:
        if output.up_to_date:
            print(f"{folder} is up to date")
        try:
            yield None if output.up_to_date else output
        except KeyboardInterrupt as stop:
            number, after = (stop.number, f" {stop}") if isinstance(stop, Stopped) else (first_heard(), "")
            by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
            left = checkpoints_in(folder)
            then = f"continues from {left[0]}" if left else "starts over, since no checkpoint was saved"
            raise Stopped(f"stopped{by}{after}; the same command {then}", number) from None
