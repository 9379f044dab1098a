"""The meaning of a path in a recipe: which files, in which splits.

An existing path is taken literally, anything else as a glob; `hf://`, `s3://`, `https://` … are read by fsspec. A folder's splits
are determined as on the Hub: by its card (`configs`), by names like `data/SPLIT-00000-of-00001`, or by words such as `train` and
`valid` in the names. No file is left out silently: if only some belong to a split, that is an error.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from silly_llm.core.errors import NotInstalledError, RecipeError, suggestion
from silly_llm.core.folders.files import PRIVATE
from silly_llm.core.lookup import home, is_hub_id, looked_for
from silly_llm.data.opening import UNPACK, ending

KINDS = (
    dict.fromkeys(("jsonl", "json", "ndjson"), "json")
    | {"parquet": "parquet"}
    | dict.fromkeys(("csv", "tsv"), "csv")
    | {"txt": "text", "arrow": "arrow"}
)
"""File extension → reader."""
ARCHIVES = ("zip", "tar", "tgz", "7z", "rar")
NO_DATA = ("config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
"""Files that describe data rather than contain it."""
UNTOLD = ("", ".md", ".py")
"""Extensions of files beside data that nobody expects to be read."""
SPLITS = {"train": "train|training", "validation": "validation|valid|dev|val", "test": "test|testing|eval|evaluation"}
"""Words for splits in names of files and folders, as in `datasets`."""
SHARD = re.compile(r"data/(\w+)-\d{5}-of-\d{5}[^/]*\.[^/]+")


def kind_of(name: str) -> str | None:
    """The reader for a file, by its extension; for a compressed file, by the extension of its content."""
    return KINDS.get(_inner_ending(name))


def is_local(path: str) -> bool:
    """Whether it is a path or URL rather than a Hub id: it exists, has a data extension, or does not look like an id."""
    return _inner_ending(path) in {*KINDS, *ARCHIVES} or not is_hub_id(path)


def local_path(path: str) -> Path | None:
    """The local path, with `~` expanded; `None` for a URL."""
    if path.startswith("file://"):
        path = "/" + path.removeprefix("file://").removeprefix("localhost").lstrip("/")
    return None if "://" in path else home(path)


def splits_of(path: str) -> dict[str, list[str]]:
    """The files that a path refers to, as absolute paths or URLs, by split; `train` unless it is a folder.

    Raises:
        RecipeError: there is no such file, some are not data, or it is not clear which of them to read.
        OSError: from a remote file system.
    """
    local = local_path(path)
    if local is None:
        return _remote(path)
    if local.is_dir():
        return _folder(path, local.absolute())
    files = [local] if local.exists() else [Path(p) for p in sorted(glob.glob(str(local), recursive=True))]  # noqa: PTH207 - absolute globs too
    names = [str(file.absolute()) for file in files if file.is_file()]
    if not names:
        if files and os.path.lexists(local):
            raise RecipeError(f"dataset: {path!r} is {'a broken link' if local.is_symlink() else 'not a file'}")
        near = suggestion(local.name, (p.name for p in local.parent.glob("*")))
        raise RecipeError(f"dataset: no such file: {path!r}{near}{looked_for(local)}")
    return {"train": _checked(names)}


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it; raises a RecipeError if its package is missing. Sends nothing yet."""
    from fsspec.core import url_to_fs

    try:
        return url_to_fs(url)
    except ImportError as error:
        named = re.search(r"(?i)install (\w+)", str(error))
        package = named[1] if named else str(error)
        raise NotInstalledError(f"dataset: {url}: needs the package {package}: pip install {package}") from None
    except ValueError as error:
        raise RecipeError(f"dataset: {url}: {error}") from None


def _remote(url: str) -> dict[str, list[str]]:
    files, root = file_system(url)
    if kind_of(url) is None and files.isdir(root):
        names = {str(PurePosixPath(name).relative_to(root)): name for name in sorted(files.find(root))}
        splits = _grouped(url, [n for n in names if _is_data(n)])
        return {split: [files.unstrip_protocol(names[n]) for n in part] for split, part in splits.items()}
    found = [root] if files.exists(root) else sorted(files.glob(root)) if glob.has_magic(root) else []
    if not found:
        raise RecipeError(f"dataset: no such file: {url!r}")
    return {"train": _checked([files.unstrip_protocol(name) for name in found])}


def _folder(path: str, folder: Path) -> dict[str, list[str]]:
    there = sorted(folder.rglob("*"))
    for odd in (p for p in there if not _hidden(str(p.relative_to(folder))) and not p.is_file()):
        what = "is a link to a folder, which is not followed; name that folder instead, or both in a list"
        if not odd.exists() or not os.access(odd, os.R_OK | os.X_OK):
            what = "cannot be read (permission denied)" if odd.exists() else "is a broken link"
        elif not odd.is_symlink():
            continue
        raise RecipeError(f"dataset: {path!r}: {odd.relative_to(folder)} {what}")
    names = [p.relative_to(folder).as_posix() for p in there if p.is_file()]
    ours = (folder / PRIVATE).is_dir() or (folder / "provenance.json").is_file()
    phases = sorted({PurePosixPath(n).parts[0] for n in names if f"/{PRIVATE}/" in n})
    if phases and not ours:
        raise RecipeError(
            f"dataset: {path!r} contains the output of several phases; choose one of its folders: {', '.join(phases)}"
        )
    data = [n for n in names if _is_data(n) and (n.startswith("data/") or not ours)]
    if not data:
        raise RecipeError(f"dataset: no such file: {path!r} contains none of {', '.join(KINDS)}{looked_for(folder)}")
    unknown = [n for n in names if kind_of(n) is None and PurePosixPath(n).suffix not in UNTOLD and not _hidden(n)]
    if unknown and not ours:
        more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
        print(f"dataset: {path!r}: of unknown kinds, not read: {', '.join(unknown[:5])}{more}", flush=True)
    grouped = _by_card(folder, data) or _grouped(path, data, ours=ours)
    return {split: _checked([str(folder / n) for n in part]) for split, part in grouped.items()}


def _by_card(folder: Path, names: list[str]) -> dict[str, list[str]]:
    """The splits of the default configuration in a card's front matter; empty without one."""
    card = folder / "README.md"
    if not card.is_file():
        return {}
    from datasets.data_files import sanitize_patterns
    from huggingface_hub import metadata_load

    configs = [c for c in (metadata_load(card) or {}).get("configs") or [] if "data_files" in c]
    default = [c for c in configs if c.get("default") or c.get("config_name") == "default"] or configs
    if len(default) > 1:
        known = ", ".join(str(c.get("config_name")) for c in configs)
        raise RecipeError(
            f"dataset: {str(folder)!r} has several configurations; write {{type: hub, path: …, name: NAME}} with one of {known}"
        )
    splits = {}
    for split, patterns in sanitize_patterns(default[0]["data_files"]).items() if default else ():
        found = {name for p in patterns for name in glob.glob(str(p), root_dir=folder, recursive=True)}  # noqa: PTH207
        splits[split] = sorted(found & set(names))
    return {split: part for split, part in splits.items() if part}


def _grouped(path: str, names: list[str], *, ours: bool = False) -> dict[str, list[str]]:
    """Names, relative to their folder, by split: from shard names, folder names or words in the file name."""
    for split_of in (
        lambda name: (found := SHARD.fullmatch(name)) and found[1],
        lambda name: _split_named_in(name.rpartition("/")[0]),
        lambda name: _split_named_in(name.rpartition("/")[2]),
    ):
        splits = {name: split_of(name) for name in names}
        if not any(splits.values()):
            continue
        if rest := [name for name, split in splits.items() if split is None and not ours]:
            example = next(name for name, split in splits.items() if split)
            raise RecipeError(
                f"dataset: {path!r}: {rest[0]!r} belongs to no split, {example!r} to {splits[example]!r}; select the files to read with "
                f"a glob, such as '{path.rstrip('/')}/*.{_inner_ending(rest[0])}'"
            )
        order = [*SPLITS, *sorted(set(filter(None, splits.values())) - set(SPLITS))]
        return {s: part for s in order if (part := [n for n in names if splits[n] == s])}
    return {"train": names}


def _split_named_in(text: str) -> str | None:
    """The split that a name says, as in `datasets`; in capitals too (TRAIN.jsonl) if no space is beside it ("The Test of Time.txt")."""
    named = r"(?:^|[-._ 0-9/])(?:{0})(?:[-._ 0-9/]|$)|(?i:(?:^|[-._0-9/])(?:{0})(?:[-._0-9/]|$))"
    return next((split for split, words in SPLITS.items() if re.search(named.format(words), text)), None)


def _is_data(name: str) -> bool:
    return kind_of(name) is not None and PurePosixPath(name).name not in NO_DATA and not _hidden(name)


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)


def _checked(names: list[str]) -> list[str]:
    """The names, after checking that all are data and not empty."""
    for name in names:
        if ending(name) in ARCHIVES or _inner_ending(name) in ARCHIVES:
            raise RecipeError(f"dataset: {name}: is an archive; unpack it, and use the folder")
        if kind_of(name) is None:
            raise RecipeError(
                f"dataset: {name}: unknown extension; supported: {', '.join(KINDS)}, also compressed: {', '.join(UNPACK)}"
            )
        if "://" not in name and Path(name).stat().st_size == 0:
            others = "; remove it, or select the others with a glob" if len(names) > 1 else ""
            raise RecipeError(f"dataset: {name!r} is empty{others}")
    return names


def _inner_ending(name: str) -> str:
    """The extension of a file's content: `jsonl` for `a.jsonl.gz`."""
    last = ending(name)
    return ending(name[: name.lower().rindex("." + last)]) if last in UNPACK and "." + last in name.lower() else last
