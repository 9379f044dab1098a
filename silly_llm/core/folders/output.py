"""The folder a phase writes: locked, stamped, resumable, with the provenance of what is in it.

`.silly/run.json` says which recipe and inputs made it, and whether it was finished; the manifest beside it says which
files are ours (`silly_llm.core.folders.manifest`). Same command again: finished and unchanged → skipped; unfinished → continued; a raised
budget → prolonged. Keys that do not shape the result, and the version of the code, are no reason to do work again. What was
trained or paid for is made anew only in another folder or by `--force`; nothing that is not ours is touched.
"""

from __future__ import annotations

import json
import shutil
import sys
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
from silly_llm.core.folders.changes import CARD, TRAINS, changes
from silly_llm.core.folders.files import PRIVATE, locked, write_text
from silly_llm.core.folders.provenance import code_version, digest, provenance_of
from silly_llm.core.phases import PHASES

KEPT = ("lock", "run.json", "damaged")
"""Of the private folder, what is kept when work begins anew; and what was set aside."""


@dataclass
class Output:
    """An output folder: what is to be done in it, decided before anything is written, and what the phase records of its work."""

    folder: Path
    sources: dict[str, str]
    """Digests of the inputs by name."""
    up_to_date: bool = False
    """Finished earlier by the same recipe and inputs: nothing to do."""
    resumed: bool = False
    """Begun earlier by the same recipe and inputs, or one with a smaller budget: what is there goes on."""
    remove: list[str] = field(default_factory=list)
    """Files of ours that make room."""
    aside: list[str] = field(default_factory=list)
    """Files of the user's in our way, by `--force`."""
    notice: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def record(self, **facts: Any) -> None:
        """Add facts (counts, tokens, cost …) to `provenance.json`."""
        self.facts.update(facts)


@contextmanager
def open_output(
    recipe: Recipe, inputs: Iterable[str | Path | None] = (), *, before: Callable[[], None] | None = None
) -> Iterator[Output]:
    """Open `recipe.args.output_dir` for a phase; on a clean exit stamp it as done.

    Of several processes the first decides and writes; the others learn what it decided.

    Args:
        inputs: local paths whose content the result depends on, or Hub ids; `None` is passed over.
        before: called before anything is written, where there is work to do; what it raises leaves the folder as it is.

    Raises:
        RecipeError: the folder is not ours, or holds what was trained or paid for by another recipe.
        RunError: another process is writing to the folder.
    """
    output = _decided_by_first(lambda: plan(recipe, {str(s): digest(s) for s in inputs if s is not None}))
    folder = output.folder
    if output.notice and is_main_process():
        print(output.notice, flush=True)
    if before and not output.up_to_date:
        before()
    if output.up_to_date or not is_main_process():
        yield output
        return
    with locked(folder):
        spent = _seconds_spent(folder) if output.resumed else 0.0
        if not output.resumed:
            _clear(output)
        state: dict[str, Any] = {
            "phase": recipe.phase,
            "values": _plain(recipe.masked()),
            "inputs": output.sources,
            "code": code_version(),
            "finished": False,
            "started": time.time(),
            "seconds": spent,
        }
        _write_state(folder, state)
        yield output
        state["seconds"] = spent + time.time() - state["started"]
        write_text(folder / "recipe.yaml", to_yaml(recipe.masked()))
        provenance = provenance_of(recipe, output.sources, state["seconds"]) | output.facts
        write_text(folder / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")
        manifest.write(folder, recipe.phase)
        _write_state(folder, state | {"finished": True})


def plan(recipe: Recipe, sources: Mapping[str, str]) -> Output:
    """What `open_output` would do: skip, continue, prolong, or make anew. Writes nothing; raises what it raises."""
    folder, phase, force = Path(recipe.args.output_dir), recipe.phase, recipe.options.force
    state, output = read_state(folder), Output(folder, dict(sources))
    if not state or force:
        output.remove = manifest.ours(folder, state["phase"], state) if state else []
        output.aside = _room(folder, phase, state, force)
        _keep_inputs(output)
        return output
    if state["phase"] != phase:
        gone = manifest.listed(manifest.ours(folder, state["phase"], state)) or "nothing"
        way_out = f"choose another --output_dir, or start over with --force, which removes {gone}"
        raise RecipeError(f"{folder}: holds the output of `silly-llm {state['phase']}`; {way_out}")
    before, now = state.get("values", {}), _plain(recipe.masked())
    differing = changes(phase, before, state.get("inputs", {}), now, sources, type(recipe.args))
    others = "; ".join(change.said for change in differing if not change.grown)
    grown = "; ".join(change.said for change in differing if change.grown)
    finished = state["finished"] and manifest.result_is_there(folder)
    checkpoints = any(folder.glob("checkpoint-*"))
    if not differing:
        output.up_to_date, output.resumed = finished, not finished
        if finished and state["code"] != code_version():
            made_by = f"made by silly-llm {state['code']}, this is {code_version()}"
            output.notice = f"{folder}: {made_by}; nothing is redone"
        return output
    if not others and (checkpoints or phase not in TRAINS):
        _room(folder, phase, state, force)
        output.resumed, output.notice = True, f"{folder}: continues, {grown}"
        return output
    if finished and all(change.key.partition(".")[0] in CARD.get(phase, ()) for change in differing):
        way_out = f"edit {folder / 'README.md'} by hand and leave the key out, or start over with --force"
        raise RecipeError(f"{folder}: is finished, and {others}: that concerns only its card; {way_out}")
    output.remove = manifest.ours(folder, phase, state)
    made = stays = ""
    if phase in TRAINS:
        made = "a finished model" if finished else "an unfinished training" if checkpoints else ""
    elif finished and phase != "evaluate" and manifest.holds_answers(folder):
        made, stays = (
            "a finished dataset with paid answers",
            ", the paid answers in its journal stay and are used again",
        )
    if made:
        why = others or f"{grown}; there is no checkpoint to continue from"
        gone = manifest.listed(output.remove) or "nothing"
        way_out = f"choose another --output_dir, or start over with --force, which removes {gone}{stays}"
        raise RecipeError(f"{folder}: holds {made} of another recipe ({why}); {way_out}")
    output.aside = _room(folder, phase, state, force)
    _keep_inputs(output)
    return output


def _keep_inputs(output: Output) -> None:
    """Refuse to make room by what the phase is about to read."""
    going = {(output.folder / name).resolve() for name in (*output.remove, *output.aside)}
    for source in map(Path, output.sources) if going else ():
        if going.intersection(path.resolve() for path in (source, *manifest.files_of(source))):
            raise RecipeError(
                f"{output.folder}: {source} is an input and would be removed; choose another --output_dir"
            )


def require_room(folder: Path, tool: str) -> None:
    """Refuse a folder that is somebody else's, or has files that a tool which is no phase, or a preview, would overwrite."""
    state = read_state(folder) or ({"finished": True} if (folder / PRIVATE / tool).exists() else {})
    if tool not in PHASES or not state:  # else the preview's answers go into the journal
        _room(folder, tool, state, force=False)


@contextmanager
def open_tool_output(folder: Path, tool: str) -> Iterator[None]:
    """Hold the folder of a tool which is no phase (`compare`, `sweep`), and record what it wrote; refuses as `require_room` does."""
    require_room(folder, tool)
    with locked(folder):
        write_text(folder / PRIVATE / tool, "")
        try:
            yield
        finally:
            manifest.write(folder, tool)


def _room(folder: Path, phase: str, state: Mapping[str, Any], force: bool) -> list[str]:
    """The files in our way that are not ours, which `--force` sets aside; refuses them, or the folder, without it."""
    blocking = manifest.in_the_way(folder, phase, state)
    if force:
        return blocking
    forced, there, named = phase in PHASES, manifest.entries(folder), manifest.listed(blocking)
    if there and not state and not (folder / PRIVATE).is_dir():
        goes = f", which sets aside {named}" if blocking else ""
        way_out = f", such as {folder / PHASES[phase].folder}, or write here with --force{goes}" if forced else ""
        reason = f"is not empty and holds no output of `silly-llm {phase}` ({manifest.listed(there)})"
        raise RecipeError(f"{folder}: {reason}; choose another --output_dir{way_out}")
    if blocking:
        way_out = "move it away" + (", let --force move it aside," if forced else "")
        reason = "not written by silly-llm, or changed since then, and in the way"
        raise RecipeError(f"{folder}: {named}: {reason}; {way_out} or choose another --output_dir")
    return []


def _clear(output: Output) -> None:
    """Make room for beginning anew: files of ours go, those in our way are set aside, all else stays."""
    manifest.remove(output.folder, output.remove)
    if output.aside:
        place = manifest.set_aside(output.folder, output.aside)
        print(f"{output.folder}: {manifest.listed(output.aside)} set aside in {place}", flush=True)
    for path in (output.folder / PRIVATE).iterdir():
        if path.name not in KEPT and not path.name.startswith("set-aside-"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _decided_by_first(decide: Callable[[], Output]) -> Output:
    """What the first process decides, on all of them: one hashes the inputs, and an error of it ends all."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return decide()
    decided: list[Any] = [None]
    if torch.distributed.get_rank() == 0:
        try:
            decided = [decide()]
        except (RecipeError, RunError) as error:
            decided = [error]
    torch.distributed.broadcast_object_list(decided, src=0)
    if isinstance(decided[0], Exception):
        raise decided[0]
    return decided[0]


def is_up_to_date(recipe: Recipe, sources: Mapping[str, str]) -> bool:
    """Whether the output folder was finished by the same recipe and inputs (digests by name), and `--force` is not given."""
    return bool(read_state(Path(recipe.args.output_dir))) and plan(recipe, sources).up_to_date


def is_finished(folder: Path) -> bool:
    """Whether a phase finished its work in the folder."""
    return read_state(folder).get("finished") is True


def read_state(folder: Path) -> dict[str, Any]:
    """What `.silly/run.json` says; empty where it is not there."""
    return manifest.read_private(folder, "run.json")


def _write_state(folder: Path, state: Mapping[str, Any]) -> None:
    write_text(folder / PRIVATE / "run.json", json.dumps(state))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON gives them back."""
    return json.loads(json.dumps(values, default=str))


def _seconds_spent(folder: Path) -> float:
    """Seconds of earlier attempts: a killed one ended, for all we know, when it last wrote a file."""
    state = read_state(folder)
    if state["finished"]:
        return state["seconds"]
    names = manifest.matching(folder, (*manifest.WRITES[state["phase"]], *manifest.JOURNALS, f"{PRIVATE}/**/*"))
    last = max((folder / name).stat().st_mtime for name in names)
    return state["seconds"] + max(0.0, last - state["started"])
