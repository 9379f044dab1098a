"""The folder a phase writes: locked, stamped, resumable, with the provenance of what is in it.

`.silly/run.json` says which recipe and inputs made it, and whether it was finished; the manifest beside it says which
files are ours (`silly_llm.core.folders.manifest`). Same command again: finished and unchanged → skipped; unfinished → continued; a raised
budget → prolonged. Keys that do not shape the result, and the version of the code, are no reason to do work again. What was
trained or paid for is made anew only in another folder or by `--force`; nothing that is not ours is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from silly_llm.core.config import Recipe, to_yaml
from silly_llm.core.console.streams import is_main_process
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.folders import manifest
from silly_llm.core.folders.changes import CARD, Change, changes
from silly_llm.core.folders.files import PRIVATE, locked, write_text
from silly_llm.core.folders.provenance import code_version, digest, provenance_of
from silly_llm.core.phases import PHASES

TRAINS = ("pretrain", "sft")
KEPT = ("lock", "run.json", "damaged")
"""Of the private folder, what is kept when work begins anew; and what was set aside."""


class Output:
    """An open output folder."""

    def __init__(self, folder: Path, up_to_date: bool, resumed: bool) -> None:
        self.folder = folder
        self.up_to_date = up_to_date
        """Finished earlier by the same recipe and inputs: nothing to do."""
        self.resumed = resumed
        """Begun earlier by the same recipe and inputs, or one with a smaller budget: what is there goes on."""
        self.facts: dict[str, Any] = {}

    def record(self, **facts: Any) -> None:
        """Add facts (counts, tokens, cost …) to `provenance.json`."""
        self.facts.update(facts)


@dataclass
class Plan:
    """What is to be done in a folder, decided before anything is written."""

    up_to_date: bool = False
    resumed: bool = False
    sources: dict[str, str] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    """Files of ours that make room."""
    aside: list[str] = field(default_factory=list)
    """Files of the user's in our way, by `--force`."""
    said: str = ""
    """One line for the user."""


@contextmanager
def open_output(recipe: Recipe, inputs: Iterable[str | Path | None] = ()) -> Iterator[Output]:
    """Open `recipe.args.output_dir` for a phase; on a clean exit stamp it as done.

    Of several processes the first decides and writes; the others learn what it decided.

    Args:
        inputs: local paths whose content the result depends on, or Hub ids; `None` is passed over.

    Raises:
        RecipeError: the folder is not ours, or holds what was trained or paid for by another recipe.
        RunError: another process is writing to the folder.
    """
    folder = Path(recipe.args.output_dir)
    plan = _decided_by_first(lambda: plan_of(recipe, {str(s): digest(s) for s in inputs if s is not None}))
    leader = is_main_process()
    if leader and plan.said:
        print(plan.said, flush=True)
    if plan.up_to_date or not leader:
        yield Output(folder, plan.up_to_date, plan.resumed)
        return
    with locked(folder):
        before = read_state(folder)
        if not plan.resumed:
            _clear(folder, plan)
        now = time.time()
        state = {
            "phase": recipe.phase,
            "values": _plain(recipe.masked()),
            "inputs": plan.sources,
            "code": code_version(),
            "finished": False,
            "started": now,
            "seconds": _seconds_spent(folder, before) if plan.resumed else 0.0,
            "foreign": before.get("foreign", []) if plan.resumed else [],
        }
        _write_state(folder, state)
        output = Output(folder, up_to_date=False, resumed=plan.resumed)
        yield output
        state["seconds"] += time.time() - now
        write_text(folder / "recipe.yaml", to_yaml(recipe.masked()))
        provenance = provenance_of(recipe, plan.sources, state["seconds"]) | output.facts
        write_text(folder / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")
        manifest.write(folder, recipe.phase)
        _write_state(folder, state | {"finished": True})


def plan_of(recipe: Recipe, sources: Mapping[str, str]) -> Plan:
    """What `open_output` would do: skip, continue, prolong, or make anew. Writes nothing.

    Args:
        sources: digests of the inputs by name.

    Raises:
        RecipeError: it may not be done, and why.
    """
    folder, phase, force = Path(recipe.args.output_dir), recipe.phase, recipe.options.force
    state, plan = read_state(folder), Plan(sources=dict(sources))
    if not state:
        plan.aside = _room(folder, phase, state, force)
        return plan
    if state.get("phase") != phase and not force:
        raise RecipeError(
            f"{folder}: holds the output of `silly-llm {state.get('phase')}`; choose another --output_dir, or begin anew "
            "with --force"
        )
    differing = changes_since(recipe, sources)
    others = [str(change) for change in differing if not change.grown]
    grown = "; ".join(str(change) for change in differing if change.grown)
    finished = state.get("finished") is True and manifest.result_is_there(folder)
    checkpoints = any(folder.glob("checkpoint-*"))
    if not differing and not force:
        plan.up_to_date, plan.resumed = finished, not finished
        if finished and state.get("code") != code_version():
            plan.said = (
                f"{folder}: made by silly-llm {state.get('code')}, this is {code_version()}; nothing is done again"
            )
        return plan
    if not others and not force and (checkpoints or phase not in TRAINS):
        _room(folder, phase, state, force)
        plan.resumed, plan.said = True, f"{folder}: goes on, {grown}"
        return plan
    card = CARD.get(phase, ())
    if finished and not force and all(change.key.partition(".")[0] in card for change in differing):
        raise RecipeError(
            f"{folder}: is finished, and {'; '.join(others)}: that is in its card alone; change {folder / 'README.md'} by hand and "
            "leave the key out, or begin anew with --force"
        )
    made, stays = what_is_there(folder, phase, finished, checkpoints)
    plan.remove = manifest.ours(folder, state["phase"], state)
    if made and not force:
        if not others:
            others = [f"{grown}; no checkpoint is there to go on from"]
        raise RecipeError(
            f"{folder}: holds {made} of another recipe ({'; '.join(others)}); choose another --output_dir, or "
            f"begin anew with --force: {manifest.listed(plan.remove) or 'nothing'} would go{stays}"
        )
    plan.aside = _room(folder, phase, state, force)
    return plan


def changes_since(recipe: Recipe, sources: Mapping[str, str]) -> list[Change]:
    """How the recipe that an output folder was made by differs from the one given; empty when there is none."""
    folder = Path(recipe.args.output_dir)
    state = read_state(folder)
    values, inputs = state.get("values"), state.get("inputs")
    if not state:
        return []
    if values is None:  # made before the state had them: its recipe stands beside
        values, inputs = _recorded(folder)
    if values is None:
        return [Change("the recipe", "not recorded", recipe.where)]
    return changes(recipe.phase, values, inputs or {}, _plain(recipe.masked()), sources, type(recipe.args))


def what_is_there(folder: Path, phase: str, finished: bool, checkpoints: bool) -> tuple[str, str]:
    """What was trained or paid for in a folder and would be lost by beginning anew, and what would stay, in words."""
    if phase in TRAINS:
        return ("a finished model" if finished else "an unfinished training" if checkpoints else ""), ""
    if finished and manifest.journals(folder):
        return ("a finished dataset with paid answers", ", the paid answers in its journal stay and are used again")
    return "", ""


def require_room(folder: Path, tool: str) -> None:
    """Refuse a folder that is not ours before a tool which is no phase, or a preview, writes there.

    Raises:
        RecipeError: the folder is somebody else's, or files in it are that the tool would overwrite.
    """
    state = read_state(folder) or ({"finished": True} if (folder / PRIVATE / tool).exists() else {})
    if tool in PHASES and state:
        return  # its answers go into the journal
    _room(folder, tool, state, force=False)


@contextmanager
def open_tool_output(folder: Path, tool: str) -> Iterator[None]:
    """Hold the folder of a tool which is no phase (`compare`, `sweep`), and record what it wrote.

    Raises:
        RecipeError: as `require_room`.
    """
    require_room(folder, tool)
    with locked(folder):
        write_text(folder / PRIVATE / tool, "")
        try:
            yield
        finally:
            manifest.write(folder, tool)


def _room(folder: Path, phase: str, state: Mapping[str, Any], force: bool) -> list[str]:
    """The files in our way that are not ours, which only `--force` sets aside.

    Raises:
        RecipeError: there are some, or the folder is somebody else's, and `--force` is not given.
    """
    blocking = manifest.in_the_way(folder, phase, state)
    if force:
        return blocking
    forced = phase in PHASES
    there = manifest.entries(folder)
    if not state and not (folder / PRIVATE).is_dir() and there:
        goes = f", which sets aside {manifest.listed(blocking)}" if blocking else ""
        way_out = f"such as {folder / PHASES[phase].folder}, or write here with --force{goes}" if forced else ""
        raise RecipeError(
            f"{folder}: is not empty and holds no output of `silly-llm {phase}` ({manifest.listed(there)}); choose another "
            f"--output_dir{', ' if forced else ''}{way_out}"
        )
    if blocking:
        raise RecipeError(
            f"{folder}: {manifest.listed(blocking)}: not written by silly-llm, or changed since, and in its way; move it away"
            f"{', have it set aside with --force,' if forced else ''} or choose another --output_dir"
        )
    return []


def _clear(folder: Path, plan: Plan) -> None:
    """Make room for beginning anew: files of ours go, those in our way are set aside, all else stays."""
    manifest.remove(folder, plan.remove)
    if plan.aside:
        place = manifest.set_aside(folder, plan.aside)
        print(f"{folder}: {manifest.listed(plan.aside)} set aside in {place}", flush=True)
    for path in (folder / PRIVATE).iterdir():
        if path.name not in KEPT and not path.name.startswith("set-aside-"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _decided_by_first(decide: Callable[[], Plan]) -> Plan:
    """What the first process decides, on all of them: one hashes the inputs, and an error of it ends all."""
    import sys

    torch = sys.modules.get("torch")
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or torch is None or not torch.distributed.is_initialized():
        return decide()
    told: list[Any] = [None]
    if torch.distributed.get_rank() == 0:
        try:
            told = [decide()]
        except (RecipeError, RunError) as error:
            told = [error]
    torch.distributed.broadcast_object_list(told, src=0)
    if isinstance(told[0], Exception):
        raise told[0]
    return told[0]


def is_up_to_date(recipe: Recipe, sources: Mapping[str, str]) -> bool:
    """Whether the output folder was finished by the same recipe and inputs (digests by name), and `--force` is not given."""
    state = read_state(Path(recipe.args.output_dir))
    return bool(state) and not recipe.options.force and plan_of(recipe, sources).up_to_date


def is_finished(folder: Path) -> bool:
    """Whether a phase finished its work in the folder."""
    return read_state(folder).get("finished") is True


def _state_file(folder: Path) -> Path:
    return folder / PRIVATE / "run.json"


def read_state(folder: Path) -> dict[str, Any]:
    """What `.silly/run.json` says; empty where it is not there."""
    try:
        return json.loads(_state_file(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON gives them back."""
    return json.loads(json.dumps(values, default=str))


def _write_state(folder: Path, state: Mapping[str, Any]) -> None:
    write_text(_state_file(folder), json.dumps(state))


def _recorded(folder: Path) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The recipe and inputs that a finished folder names."""
    import yaml

    try:
        values = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
        inputs = json.loads((folder / "provenance.json").read_text(encoding="utf-8")).get("inputs", {})
    except (OSError, ValueError, yaml.YAMLError):
        return None, {}
    return (values, inputs) if isinstance(values, dict) else (None, {})


def _seconds_spent(folder: Path, state: Mapping[str, Any]) -> float:
    """Seconds of earlier attempts: a killed one ended, for all we know, when it last wrote a file."""
    spent = float(state.get("seconds", 0.0))
    if state.get("finished"):
        return spent
    names = manifest.matching(folder, (*manifest.WRITES[state["phase"]], *manifest.JOURNALS, f"{PRIVATE}/**/*"))
    last = max((folder / name).stat().st_mtime for name in names)
    return spent + max(0.0, last - float(state.get("started", last)))
