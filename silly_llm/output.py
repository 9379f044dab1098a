"""The folder a phase writes: locked, stamped, resumable, with the provenance of what is in it.

`.silly/run.json` in the folder says which recipe, inputs and code made it and whether it was finished. Same command
again: finished and unchanged → skipped; unfinished → continued; changed → begun anew (journals stay, they are paid for).
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from silly_llm import __version__
from silly_llm.config import Recipe, to_yaml
from silly_llm.errors import RecipeError, RunError

PRIVATE = ".silly"
"""The folder inside an output folder that holds lock and stamp; never published, never an input."""
LIBRARIES = (
    "accelerate",
    "datasets",
    "huggingface_hub",
    "peft",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
)
LOCK_TIMEOUT = 3.0
"""Seconds to wait for the lock: a process behind one that was killed holds it a moment longer."""
VOLATILE = ("README.md", "provenance.json", "recipe.yaml", "training_log.jsonl")
"""Files that differ between two equal runs (times, dates, paths) and so do not count as input."""


class Output:
    """An open output folder."""

    def __init__(self, folder: Path, up_to_date: bool, resumed: bool) -> None:
        self.folder = folder
        self.up_to_date = up_to_date
        """Finished earlier by the same recipe, inputs and code: nothing to do."""
        self.resumed = resumed
        """Begun earlier by the same recipe and inputs, and not finished."""
        self.facts: dict[str, Any] = {}

    def record(self, **facts: Any) -> None:
        """Add facts (counts, tokens, cost …) to `provenance.json`."""
        self.facts.update(facts)


@contextmanager
def open_output(recipe: Recipe, inputs: Iterable[str | Path | None] = ()) -> Iterator[Output]:
    """Open `recipe.args.output_dir` for a phase; on a clean exit stamp it as done.

    Args:
        inputs: local paths whose content the result depends on, or Hub ids; `None` is passed over.

    Raises:
        RecipeError: the folder holds an unfinished training of another recipe.
        RunError: another process is writing to the folder.
    """
    folder = Path(recipe.args.output_dir)
    sources = {str(source): digest(source) for source in inputs if source is not None}
    work = work_of(recipe, sources)
    leader = int(os.environ.get("RANK", "0")) == 0
    state = _read_state(folder)
    same = state.get("work") == work
    finished = state.get("finished") is True
    if is_up_to_date(recipe, sources):
        yield Output(folder, up_to_date=True, resumed=False)
        return
    resumed = same and not finished and not recipe.options.force
    if not leader:
        yield Output(folder, up_to_date=False, resumed=resumed)
        return
    with locked(folder):
        if state and not resumed:
            _clear(folder, state, force=recipe.options.force, finished=finished)
        now = time.time()
        state = {
            "phase": recipe.phase,
            "work": work,
            "code": code_version(),
            "finished": False,
            "started": now,
            "seconds": _seconds_spent(folder, state) if resumed else 0.0,
            "foreign": state.get("foreign", _entries(folder)),
        }
        _write_state(folder, state)
        output = Output(folder, up_to_date=False, resumed=resumed)
        yield output
        state["seconds"] += time.time() - now
        write_text(folder / "recipe.yaml", to_yaml(recipe.masked()))
        provenance = provenance_of(recipe, sources, work, state["seconds"]) | output.facts
        write_text(folder / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")
        _write_state(folder, state | {"finished": True})


def work_of(recipe: Recipe, sources: Mapping[str, str]) -> str:
    """A digest of what a phase is asked to do: its recipe, and the digests of its inputs by their names."""
    values = {
        key: value
        for key, value in recipe.values.items()
        if key != "push_to_hub" and not key.startswith("hub_")
    }
    return fingerprint({"phase": recipe.phase, "values": values, "inputs": dict(sources)})


def is_up_to_date(recipe: Recipe, sources: Mapping[str, str]) -> bool:
    """Whether the output folder was finished by the same recipe, inputs (digests by name) and code, and `--force` is not given."""
    state = _read_state(Path(recipe.args.output_dir))
    return (
        state.get("finished") is True
        and state.get("work") == work_of(recipe, sources)
        and state.get("code") == code_version()
        and not recipe.options.force
    )


def provenance_of(recipe: Recipe, sources: Mapping[str, str], work: str, seconds: float) -> dict[str, Any]:
    """What `provenance.json` says of every phase."""
    return {
        "phase": recipe.phase,
        "recipe": str(recipe.file) if recipe.file else None,
        "environment": recipe.environment,
        "fingerprint": work,
        "inputs": dict(sources),
        "silly_llm": __version__,
        "commit": commit(),
        "libraries": library_versions(),
        "python": platform.python_version(),
        "seconds": round(seconds, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def library_versions() -> dict[str, str]:
    """Versions of the libraries that shape a result, of those that are installed."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def commit() -> str | None:
    """The git commit of the package's sources, `None` when it is not run from a checkout."""
    package = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "-C", str(package), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None


@functools.cache
def code_version() -> str:
    """The package's version and a digest of its sources."""
    hasher = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".json", ".jinja"):
            hasher.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return f"{__version__}+{hasher.hexdigest()[:12]}"


def fingerprint(value: Any) -> str:
    """A digest of plain data (hex, 64 digits)."""
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()
    ).hexdigest()


def digest(source: str | Path) -> str:
    """A digest of the content of a file or folder; of the name itself when it is not a local path (a Hub id)."""
    path = Path(source)
    try:
        if path.is_file():
            return _file_digest(path)
        if not path.is_dir():
            return fingerprint(str(source))
    except OSError:
        return fingerprint(str(source))
    parts = []
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path).parts
        hidden = any(part == PRIVATE or part.startswith(("journal", "checkpoint-")) for part in inside)
        if file.is_file() and not hidden and file.name not in VOLATILE:
            parts.append(("/".join(inside), _file_digest(file)))
    return fingerprint(parts)


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, also after power loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _file_digest(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an output folder, which is made if missing.

    Raises:
        RunError: another process holds it, or the folder cannot be made.
    """
    from filelock import FileLock, Timeout

    try:
        (folder / PRIVATE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror})") from None
    lock = FileLock(folder / PRIVATE / "lock", timeout=LOCK_TIMEOUT)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(
            f"{folder}: another silly-llm process is writing here; wait for it, or choose another --output_dir"
        ) from None
    try:
        yield
    finally:
        lock.release()


def is_finished(folder: Path) -> bool:
    """Whether a phase finished its work in the folder."""
    return _read_state(folder).get("finished") is True


def _state_file(folder: Path) -> Path:
    return folder / PRIVATE / "run.json"


def _read_state(folder: Path) -> dict[str, Any]:
    try:
        return json.loads(_state_file(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write_state(folder: Path, state: Mapping[str, Any]) -> None:
    write_text(_state_file(folder), json.dumps(state))


def _entries(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != PRIVATE) if folder.is_dir() else []


def _clear(folder: Path, state: Mapping[str, Any], *, force: bool, finished: bool) -> None:
    checkpoints = any(folder.glob("checkpoint-*"))
    if checkpoints and not finished and not force:
        raise RecipeError(
            f"{folder}: holds an unfinished training of another recipe; choose another --output_dir, "
            "or start over with --force"
        )
    private = [
        f"{PRIVATE}/{p.name}" for p in (folder / PRIVATE).iterdir() if p.name not in ("lock", "run.json")
    ]
    for name in [*_entries(folder), *private]:
        if name in state.get("foreign", ()) or name.startswith("journal"):
            continue
        path = folder / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _seconds_spent(folder: Path, state: Mapping[str, Any]) -> float:
    """Seconds of earlier attempts: a killed one ended, for all we know, when it last wrote a file."""
    last = max((p.stat().st_mtime for p in folder.rglob("*") if p.is_file()), default=0.0)
    return float(state.get("seconds", 0.0)) + max(0.0, last - float(state.get("started", last)))
