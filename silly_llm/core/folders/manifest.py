"""Which files of an output folder are ours: the manifest says what a phase wrote there, with digests.

Only what it names, and as it was written, is ever replaced or removed. A file of the user's, also one of ours that was
edited since, stays where it is or, where `--force` asks for its place, is set aside; it is never deleted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from silly_llm.core.folders.files import PRIVATE, write_text

SHARDS = "data/*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].parquet"
SHARD_FOLDERS = "journal-shards"
"""Where parts of a dataset are made, each in an output folder of its own, before the whole."""
COMMON = ("README.md", "recipe.yaml", "provenance.json")
JOURNALS = (
    "journal.sqlite*", "journal.jsonl*", "journal-*.parquet", "journal-kept.json", SHARD_FOLDERS, "journal-summaries*",
    "journal-model-*", "journal-judge*",
)  # fmt: skip
"""Paid answers (JSON lines and Parquet are those of earlier versions): kept whatever changes."""
DATASET = (*COMMON, SHARDS, "statistics.json")
MODEL = (
    *(*COMMON, "*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"),
    *("tokenizer*.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.*"),
    *("merges.txt", "chat_template.jinja", "adapter_config.json", "training_args.bin", "training_log.jsonl"),
    *("samples.jsonl", "training.html", "checkpoint-[0-9]*/**/*"),
)
REPORT = ("results.json", "report.html", "report.md", "evidence.parquet", "generations.parquet")
WRITES = {
    **{"vocabulary": (*COMMON, "vocabulary.json"), "generate": DATASET, "instruct": DATASET},
    **{"pretrain": MODEL, "sft": MODEL, "evaluate": (*COMMON, *REPORT), "compare": REPORT},
    "sweep": ("README.md", "results.csv", "results.jsonl", "plots/*.png", "plots/*.svg"),
}
"""What each phase, and each tool with a folder of its own, writes there, as globs."""
READ_ALONG = {"generate": ("data/*.parquet",), "instruct": ("data/*.parquet",)}
"""Files beside ours that readers would take for a part of what the phase made."""
RESULT = ("*.safetensors", "vocabulary.json", "results.json", SHARDS)
"""Without these there is no result, whatever the state says."""
LEFT_BY_SYSTEMS = frozenset({PRIVATE, SHARD_FOLDERS, ".DS_Store", ".gitkeep", ".gitignore", "Thumbs.db", "lost+found"})
LISTED = 6
"""Files that a message names."""


def read_private(folder: Path, name: str) -> Any:
    """The content of a JSON file of an output folder's private folder; `{}` where there is none."""
    try:
        return json.loads((folder / PRIVATE / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def recorded(folder: Path) -> dict[str, str | None]:
    """The manifest: digests by file (of checkpoints, which have their own, `None`); empty where there is no manifest."""
    return read_private(folder, "manifest.json")


def write(folder: Path, phase: str) -> None:
    """Record what the phase wrote."""
    names = matching(folder, WRITES[phase])
    digests = {name: None if _of_checkpoint(name) else file_digest(folder / name) for name in names}
    write_text(folder / PRIVATE / "manifest.json", json.dumps(digests, indent=0) + "\n")


def entries(folder: Path) -> list[str]:
    """What is in a folder, beside our private folder and what systems leave everywhere, and parts of ours."""
    return sorted(p.name for p in folder.iterdir() if p.name not in LEFT_BY_SYSTEMS) if folder.is_dir() else []


def matching(folder: Path, patterns: Iterable[str]) -> list[str]:
    """The files (paths below the folder, in order) that globs match."""
    found = {p for pattern in patterns for p in folder.glob(pattern) if p.is_symlink() or not p.is_dir()}
    return sorted(p.relative_to(folder).as_posix() for p in found)


def holds_answers(folder: Path) -> bool:
    """Whether a journal of the folder holds answers."""
    return any(p.is_dir() or p.stat().st_size for pattern in JOURNALS for p in folder.glob(pattern))


def files_of(folder: Path) -> Iterator[Path]:
    """The files of an output folder that its phase wrote; of any other folder all that are not hidden."""
    phase = read_private(folder, "run.json").get("phase")
    names = matching(folder, WRITES.get(phase, ("**/*",)))
    return (folder / name for name in names if not any(part.startswith(".") for part in Path(name).parts))


def ours(folder: Path, phase: str, state: Mapping[str, Any]) -> list[str]:
    """The files that a phase wrote and nobody changed since."""
    if not state.get("finished"):  # no manifest yet: it was empty of such files when the phase began
        return matching(folder, WRITES[phase])
    there = {n: d for n, d in recorded(folder).items() if (folder / n).is_file() or (folder / n).is_symlink()}
    return [name for name, digest in there.items() if digest is None or file_digest(folder / name) == digest]


def in_the_way(folder: Path, phase: str, state: Mapping[str, Any]) -> list[str]:
    """The files that are not ours and that the phase would overwrite, or would be read along with what it makes."""
    begun = (folder / PRIVATE).is_dir()
    there = matching(folder, (*WRITES[phase], *READ_ALONG.get(phase, ()), *(() if begun else JOURNALS)))
    tops = ((p, "/" in glob) for glob in WRITES[phase] for p in folder.glob(glob.partition("/")[0]))
    there += [p.name for p, is_folder in tops if p.is_dir() != is_folder]  # a folder in a file's place or the reverse
    return sorted(set(there) - set(ours(folder, phase, state))) if state else there  # a preview leaves no state


def result_is_there(folder: Path) -> bool:
    """Whether the files without which there is no result are still where they were written."""
    results = [name for name in recorded(folder) if any(Path(name).match(p) for p in RESULT)]
    return all((folder / name).exists() for name in results if not _of_checkpoint(name))


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of ours, and folders that they leave empty."""
    parents = set()
    for name in names:
        (folder / name).unlink(missing_ok=True)
        parents |= {folder / p for p in Path(name).parents if p.parts}
    for parent in sorted(parents, reverse=True):  # the deepest first
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def set_aside(folder: Path, names: Iterable[str]) -> Path:
    """Move files out of the way, to where they can be found again; returns where."""
    place = folder / PRIVATE / f"set-aside-{datetime.now():%Y%m%d-%H%M%S}"
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(place / name)
    return place


def listed(names: Iterable[str]) -> str:
    """Names in a message: the first few, checkpoints as one each, and how many more there are."""
    shown = list(dict.fromkeys(n.partition("/")[0] if _of_checkpoint(n) else n for n in names))
    more = f" and {len(shown) - LISTED} more" if len(shown) > LISTED else ""
    return ", ".join(shown[:LISTED]) + more


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex; of a link the digest of where it leads."""
    if path.is_symlink():
        return hashlib.sha256(bytes(path.readlink())).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_checkpoint(name: str) -> bool:
    return name.startswith("checkpoint-")
