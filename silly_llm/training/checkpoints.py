"""Checkpoints that a training can trust: sealed by digests when they are saved, examined before one is resumed from.

A checkpoint that is being written holds `UNFINISHED`; at last it gets its `DIGESTS`, and `STATE` its name. What is damaged later is named
and put aside, and the one before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from safetensors import safe_open
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_pt_utils import safe_globals
from transformers.trainer_utils import rotate_checkpoints

from silly_llm.core.console.signals import Stopped, deferred, first_heard
from silly_llm.core.console.streams import is_main_process
from silly_llm.core.errors import RunError
from silly_llm.core.folders.files import PRIVATE, write_text
from silly_llm.core.folders.provenance import fingerprint

DIGESTS = "digests.json"
"""The SHA-256 of each file of a checkpoint, by its path inside, and one of those themselves."""
UNFINISHED = "checkpoint-is-incomplete.txt"
"""In a checkpoint that is being written; the name is transformers' own for it."""
STATE = "trainer_state.json"
"""Takes its name last of all: a checkpoint that has it was saved to the end."""
PARTIAL = ".partial"
PICKLES = ("optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state*.pth")
"""What the Trainer unpickles, with `weights_only`."""
LABELS = ("_name_or_path", "dtype", "transformers_version")
"""What a configuration says beside what its model is."""


class Resumable:
    """Mixin of a `transformers.Trainer` with a `clock`: seals its checkpoints, and ends with one when a signal stops it."""

    clock: Any
    args: Any
    state: Any
    saved: int | None = None
    """The step of the last checkpoint of this attempt."""

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's.

        Raises:
            Stopped: by a signal, in every process, after the step that all of them had heard of it in.
        """
        with deferred():
            result = super().train(*args, **kwargs)  # type: ignore[misc]
        if self.clock.signal:
            step = self.state.global_step
            raise Stopped(
                f"after step {step:,}{'' if self.saved == step else ', which was not saved'}", self.clock.signal
            )
        return result

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        args, step = self.args, self.state.global_step
        if self.saved == step:  # sealed, and the same
            return
        run = Path(self._get_output_dir(trial))  # type: ignore[attr-defined]
        folder = run / f"checkpoint-{step}"
        if args.should_save:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / UNFINISHED).touch()
        limit, save = args.save_total_limit, self.state.save_to_json
        args.save_total_limit = None  # none before it goes until this one is sealed
        self.state.save_to_json = lambda path: save(f"{path}{PARTIAL}")
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
        finally:
            args.save_total_limit, self.state.save_to_json = limit, save
        seal(folder, args)
        self.saved = step
        if args.should_save:
            best = self.state.best_model_checkpoint
            rotate_checkpoints(str(run), limit, best_model_checkpoint=best, use_mtime=True)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Without the pickle of the arguments, which nothing reads and a password in a dataset's URL would be in."""
        super()._save(output_dir, state_dict)  # type: ignore[misc]
        Path(output_dir or self.args.output_dir, TRAINING_ARGS_NAME).unlink(missing_ok=True)

    def _load_callback_state(self) -> None:
        """The clock goes on. The Trainer would put another in its place, without limit, which nobody else looks at."""
        kept = self.state.stateful_callbacks.get(type(self.clock).__name__)
        if kept:
            self.clock.before = kept["attributes"]["before"]


def seal(folder: Path, args: Any) -> None:
    """Bring a checkpoint to the disk and write its digests; each process reads its share of the files."""
    if args.world_size > 1:
        torch.distributed.barrier()  # all of them are written
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    mine = [path for path in files if path.name not in (DIGESTS, UNFINISHED)][args.process_index :: args.world_size]
    names = [str(path.relative_to(folder)).removesuffix(PARTIAL) for path in mine]
    digests = gather_object([(name, digest(path, to_disk=True)) for name, path in zip(names, mine, strict=True)])
    if args.should_save:
        sealed = {"sha256": dict(digests), "seal": fingerprint(dict(digests))}
        write_text(folder / DIGESTS, json.dumps(sealed, indent=1))
        (folder / f"{STATE}{PARTIAL}").rename(folder / STATE)
        (folder / UNFINISHED).unlink()


def digest(path: Path, *, to_disk: bool = False) -> str:
    with path.open("rb") as file:
        if to_disk:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def fault_of(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, in a few words; `None` when it is whole. Nothing is unpickled whose digest is another.

    One that was saved without digests is whole when its files can be read.
    """
    sealed = (checkpoint / DIGESTS).is_file()
    if sealed:
        try:
            said = json.loads((checkpoint / DIGESTS).read_text(encoding="utf-8"))
            digests = dict(said.pop("sha256"))
            seal = said.pop("seal", fingerprint(digests))  # the first ones had none
        except (ValueError, KeyError, AttributeError, TypeError):
            return f"{DIGESTS} cannot be read"
        if said or seal != fingerprint(digests):
            return f"{DIGESTS} is not what was saved"
        for name, expected in digests.items():
            if not (checkpoint / name).is_file():
                return f"{name} is missing"
            if digest(checkpoint / name) != expected:
                return f"{name} is not what was saved"
    elif not (checkpoint / STATE).is_file():
        return f"{STATE} is missing"
    for path in sorted(p for pattern in ("*.json", "*.safetensors", *PICKLES) for p in checkpoint.glob(pattern)):
        try:
            examine(path, whole=not sealed)
        except Exception as error:
            return f"{path.name} cannot be read ({type(error).__name__})"
    return None


def examine(path: Path, *, whole: bool) -> None:
    """Open a file as resuming would, with little of it in memory; `whole` compares the checksums that an archive has."""
    if path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".safetensors":
        with safe_open(path, "pt"):
            pass
    else:
        if whole:
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is not None:
                    raise zipfile.BadZipFile
        with safe_globals():
            torch.load(path, weights_only=True, mmap=True, map_location="cpu")


def checkpoints_in(folder: str | Path) -> list[Path]:
    """The checkpoints of a model folder that were written to their end, the newest first."""
    return [path for path in numbered(folder) if not is_torso(path)]


def numbered(folder: str | Path) -> list[Path]:
    """The folders that are named as checkpoints, the newest first."""
    found = [p for p in Path(folder).glob("checkpoint-*") if p.is_dir() and p.name[11:].isdigit()]
    return sorted(found, key=lambda path: int(path.name[11:]), reverse=True)


def is_torso(checkpoint: Path) -> bool:
    """Whether this is what we left of a checkpoint when we died while writing (or removing) it: at first its folder is empty."""
    return not (checkpoint / STATE).is_file() and (
        (checkpoint / UNFINISHED).is_file() or not any(checkpoint.iterdir())
    )


def remove_torso(checkpoint: Path) -> None:
    """Its mark goes last: when this is interrupted, it is still known for what it is."""
    for path in sorted(checkpoint.iterdir(), key=lambda path: path.name == UNFINISHED):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    checkpoint.rmdir()


def last_checkpoint(folder: str | Path) -> str | None:
    """The newest whole checkpoint of an interrupted training, `None` when there is none. The first process comes first.

    It removes its own torsos, and puts what is damaged aside, below `.silly/damaged`, when an earlier one is whole: others find that.

    Raises:
        RunError: there are checkpoints, and none is whole.
    """
    found = checkpoints_in(folder)
    if not is_main_process():
        return str(found[0]) if found else None
    for torso in filter(is_torso, numbered(folder)):
        remove_torso(torso)
    faults: dict[Path, str] = {}
    for checkpoint in found:
        if (fault := fault_of(checkpoint)) is None:
            break
        faults[checkpoint] = fault
    told = ", ".join(f"{path.name} ({fault})" for path, fault in faults.items())
    if len(faults) == len(found) and found:
        raise RunError(
            f"{folder}: no checkpoint is whole: {told}; put a copy in its place, or begin anew with --force"
        )
    if not found:
        return None
    if faults:
        place = Path(folder) / PRIVATE / "damaged"
        for path in faults:
            put_aside(path, place)
        print(
            f"silly-llm: damaged: {told}; kept in {place}; the training continues from {checkpoint}",
            file=sys.stderr,
            flush=True,
        )
    return str(checkpoint)


def put_aside(path: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    names = [path.name, *(f"{path.name}.{n}" for n in range(1, 1000))]
    path.rename(next(place / name for name in names if not (place / name).exists()))


def check_checkpoint(folder: str | Path, model: Any) -> None:
    """A checkpoint is whole, and of the model that is about to continue from it.

    Raises:
        RunError: it is damaged, or its configuration has another architecture or other sizes.
    """
    fault = fault_of(Path(folder)) if is_main_process() else None
    if fault is not None:
        raise RunError(f"{folder} is damaged: {fault}; name another checkpoint")
    saved = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    now = json.loads(model.config.to_json_string(use_diff=False))
    for key in ("model_type", *sorted(now)):
        there, here = saved.get(key, now.get(key)), now.get(key)
        if isinstance(here, (int, str)) and not isinstance(here, bool) and there != here and key not in LABELS:
            raise RunError(
                f"{folder} is of another model: {key} is {there} there, {here} here; remove it to begin anew"
            )


@contextmanager
def stopped_in(folder: str | Path) -> Iterator[None]:
    """A training stopped in here says what it can be continued from.

    Raises:
        Stopped: for any KeyboardInterrupt.
    """
    import signal

    try:
        yield
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, Stopped) else first_heard()
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        after = f" {stop}" if isinstance(stop, Stopped) else ""
        left = checkpoints_in(folder)
        then = f"continues from {left[0]}" if left else "begins anew, for no checkpoint was saved"
        raise Stopped(f"stopped{by}{after}; the same command {then}", number) from None
