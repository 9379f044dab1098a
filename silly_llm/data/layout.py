"""What a path in a recipe means: which files, in which splits.

A path that exists is taken literally, else it is a glob; `hf://`, `s3://`, `https://` … are read by fsspec. A folder's splits are what its
card (`configs`), the names `data/SPLIT-00000-of-00001` or words such as `train` and `valid` in its names say, as for the Hub. No
file is left out silently: where only some belong to a split, that is an error.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from silly_llm.core.errors import NotInstalledError, RecipeError, suggestion
from silly_llm.core.folders.files import PRIVATE
from silly_llm.core.lookup import is_hub_id, looked_for
from silly_llm.data.opening import UNPACK, ending

KINDS = {
    "jsonl": "json",
    "json": "json",
    "ndjson": "json",
    "parquet": "parquet",
    "csv": "csv",
    "tsv": "csv",
    "txt": "text",
    "arrow": "arrow",
}
"""File ending → what reads it."""
ARCHIVES = ("zip", "tar", "tgz", "7z", "rar")
NO_DATA = ("config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
"""Files that describe data."""
SPLITS = {"train": "train|training", "validation": "validation|valid|dev|val", "test": "test|testing|eval|evaluation"}
"""Words for a split in names of files and folders, as in `datasets`."""
SHARD = re.compile(r"data/(\w+)-\d{5}-of-\d{5}[^/]*\.[^/]+")


def kind_of(name: str) -> str | None:
    """What reads a file, by its ending; that of what it holds, where it is packed."""
    return KINDS.get(_inner_ending(name))


def is_local(path: str) -> bool:
    """Is it a path or URL rather than a Hub id? One that exists, or has a data ending, or does not look like an id."""
    return _inner_ending(path) in {*KINDS, *ARCHIVES} or not is_hub_id(path)


def local_path(path: str) -> Path | None:
    """The local path that is meant, `~` replaced; `None` for a URL."""
    if path.startswith("file://"):
        path = "/" + path.removeprefix("file://").removeprefix("localhost").lstrip("/")
    return None if "://" in path else Path(path).expanduser()


def splits_of(path: str) -> dict[str, list[str]]:
    """The files that a path means, as absolute paths or URLs, by split; `train` where it names no folder.

    Raises:
        RecipeError: there is no such file, some are no data, or it is not clear which of them count.
        NotInstalledError: a file system's package is missing.
        OSError: of a remote file system.
    """
    local = local_path(path)
    if local is None:
        return _remote(path)
    if local.is_dir():
        return _of_folder(path, local.absolute())
    files = [local] if local.exists() else [Path(p) for p in sorted(glob.glob(str(local), recursive=True))]  # noqa: PTH207 - absolute globs too
    files = [file for file in files if file.is_file()]
    if not files:
        raise RecipeError(f"dataset: no such file: {path!r}{_near(local)}{looked_for(local)}")
    return {"train": _checked(path, [str(file.absolute()) for file in files])}


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it; nothing is asked of it yet.

    Raises:
        NotInstalledError: its package is missing.
        RecipeError: there is no such protocol.
    """
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
    if glob.has_magic(root) and not files.exists(root):
        found = files.glob(root)
    elif kind_of(url) is None and files.isdir(root):
        names = {str(PurePosixPath(name).relative_to(root)): name for name in sorted(files.find(root))}
        splits = _grouped(url, [n for n in names if _is_data(n)], None)
        return {split: [files.unstrip_protocol(names[n]) for n in part] for split, part in splits.items()}
    else:
        found = [root] if files.exists(root) else []
    if not found:
        raise RecipeError(f"dataset: no such file: {url!r}")
    return {"train": _checked(url, [files.unstrip_protocol(name) for name in sorted(found)])}


def _of_folder(path: str, folder: Path) -> dict[str, list[str]]:
    there = sorted(folder.rglob("*"))
    if links := [p.relative_to(folder) for p in there if p.is_symlink() and p.is_dir()]:
        raise RecipeError(
            f"dataset: {path!r}: {links[0]} is a link to a folder, which is not followed; name that folder itself, or both in a list"
        )
    names = [p.relative_to(folder).as_posix() for p in there if p.is_file()]
    ours = (folder / PRIVATE).is_dir() or (folder / "provenance.json").is_file()
    made = sorted({PurePosixPath(n).parts[0] for n in names if f"/{PRIVATE}/" in n})
    if made and not ours:
        raise RecipeError(
            f"dataset: {path!r} holds what several phases made; name one of its folders: {', '.join(made)}"
        )
    data = [n for n in names if _is_data(n) and not (ours and not n.startswith("data/"))]
    if not data:
        raise RecipeError(f"dataset: no such file: {path!r} holds none of {', '.join(KINDS)}{looked_for(folder)}")
    grouped = _by_card(folder, data) or _grouped(path, data, ours)
    return {split: _checked(path, [str(folder / n) for n in part]) for split, part in grouped.items()}


def _by_card(folder: Path, names: list[str]) -> dict[str, list[str]] | None:
    """The splits of the default configuration that a card has in its front matter."""
    if not (folder / "README.md").is_file():
        return None
    from datasets.data_files import sanitize_patterns
    from huggingface_hub import metadata_load

    configs = [c for c in (metadata_load(folder / "README.md") or {}).get("configs") or [] if "data_files" in c]
    if not configs:
        return None
    default = [c for c in configs if c.get("default") or c.get("config_name") == "default"] or configs
    if len(default) > 1:
        known = ", ".join(str(c.get("config_name")) for c in configs)
        raise RecipeError(
            f"dataset: {str(folder)!r} has several configurations; write {{type: hub, path: …, name: NAME}} with one of {known}"
        )
    splits = {}
    for split, patterns in sanitize_patterns(default[0]["data_files"]).items():
        found = (glob.glob(str(p), root_dir=folder, recursive=True) for p in patterns)  # noqa: PTH207
        splits[split] = sorted({n for part in found for n in part} & set(names))
    return {split: part for split, part in splits.items() if part} or None


def _grouped(path: str, names: list[str], ours: bool | None) -> dict[str, list[str]]:
    """Names, relative to their folder, by the split that they name."""
    for split_of in (_split_of_shard, _split_of_folder, _split_of_name):
        named = {name: split_of(name) for name in names}
        if not any(named.values()):
            continue
        if rest := [name for name, split in named.items() if split is None and not ours]:
            example = next(name for name, split in named.items() if split)
            raise RecipeError(
                f"dataset: {path!r}: {rest[0]!r} belongs to no split, {example!r} to {named[example]!r}; name what to read by a "
                f"glob, such as '{path.rstrip('/')}/*.{_inner_ending(rest[0])}'"
            )
        order = [*SPLITS, *sorted(set(filter(None, named.values())) - set(SPLITS))]
        return {s: part for s in order if (part := [n for n in names if named[n] == s])}
    return {"train": names}


def _split_of_shard(name: str) -> str | None:
    found = SHARD.fullmatch(name)
    return found[1] if found else None


def _split_of_folder(name: str) -> str | None:
    return _named(PurePosixPath(name).parent.parts)


def _split_of_name(name: str) -> str | None:
    return _named([PurePosixPath(name).name])


def _named(parts: Iterable[str]) -> str | None:
    text = "/".join(parts)
    return next((s for s, w in SPLITS.items() if re.search(rf"(?:^|[-._ 0-9/])(?:{w})(?:[-._ 0-9/]|$)", text)), None)


def _is_data(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        kind_of(name) is not None
        and path.name not in NO_DATA
        and not any(p[:1] == "." or p[:2] == "__" for p in path.parts)
    )


def _checked(path: str, names: list[str]) -> list[str]:
    """The names, all of which are data and hold something."""
    for name in names:
        if kind_of(name) is None:
            if ending(name) in ARCHIVES or _inner_ending(name) in ARCHIVES:
                raise RecipeError(f"dataset: {name}: is an archive; unpack it, and name the folder")
            raise RecipeError(
                f"dataset: {name}: its ending must say what it is: {', '.join(KINDS)}, or one of them packed: {', '.join(UNPACK)}"
            )
        if "://" not in name and Path(name).stat().st_size == 0:
            raise RecipeError(
                f"dataset: {name!r} is empty"
                + ("; take it away, or name the others by a glob" if len(names) > 1 else "")
            )
    return names


def _inner_ending(name: str) -> str:
    last = ending(name)
    return ending(name[: name.lower().rindex("." + last)]) if last in UNPACK and "." + last in name.lower() else last


def _near(path: Path) -> str:
    return suggestion(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""
