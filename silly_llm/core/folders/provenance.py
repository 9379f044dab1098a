"""Where what is in a folder came from: the recipe, its inputs, the code and the libraries."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from silly_llm import __version__
from silly_llm.core.config import Recipe, flatten
from silly_llm.core.folders import manifest
from silly_llm.core.folders.changes import is_neutral
from silly_llm.core.lookup import PACKAGE

LIBRARIES = ("accelerate", "datasets", "huggingface_hub", "peft", "tokenizers", "torch", "transformers", "trl")
VOLATILE = ("README.md", "provenance.json", "recipe.yaml", "training_log.jsonl", "training_args.bin", "training.html")
"""Files that differ between two equal runs (times, dates, paths) and so do not count as input."""


def provenance_of(recipe: Recipe, sources: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """What `provenance.json` says of every phase."""
    shaping = {key: value for key, value in flatten(recipe.masked()).items() if not is_neutral(key)}
    return {
        "phase": recipe.phase,
        "recipe": str(recipe.file) if recipe.file else None,
        "environment": recipe.environment,
        "fingerprint": fingerprint([recipe.phase, shaping, dict(sources)]),
        "inputs": dict(sources),
        "silly_llm": __version__,
        "code": code_version(),
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
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


@functools.cache
def commit() -> str | None:
    """The git commit of the package's sources, `None` when it is not run from a checkout."""
    command = ["git", "-C", str(PACKAGE), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


@functools.cache
def code_version() -> str:
    """The package's version and a digest of its sources."""
    hasher = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".json", ".jinja", ".yaml") and "share" not in path.relative_to(PACKAGE).parts:
            hasher.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    return f"{__version__}+{hasher.hexdigest()[:12]}"


def fingerprint(value: Any) -> str:
    """A digest of plain data (hex, 64 digits)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def digest(source: str | Path) -> str:
    """A digest of the content of a file or folder; of the name itself when it is not a local path (a Hub id)."""
    path = Path(source)
    try:
        if path.is_file():
            return manifest.file_digest(path)
        if not path.is_dir():
            return fingerprint(str(source))
    except OSError:  # a name that can be no path
        return fingerprint(str(source))
    digests = []
    for file in manifest.files_of(path):
        inside = file.relative_to(path)
        if inside.name not in VOLATILE and not any(p.startswith(("journal", "checkpoint-")) for p in inside.parts):
            digests.append((inside.as_posix(), manifest.file_digest(file)))
    return fingerprint(digests)
