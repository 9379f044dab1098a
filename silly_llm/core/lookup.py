"""What a name means: a path, something that comes with the package, or a repository of the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from silly_llm.core.errors import RecipeError, suggestion

PACKAGE = Path(__file__).parents[1]
SHARED = PACKAGE / "share" if (PACKAGE / "share").is_dir() else PACKAGE.parent
"""What the wheel brings besides code (see setup.py); a checkout has the same folders beside the package."""
RECIPES = SHARED / "recipes"
FILE = re.compile(r"\.(jsonl?|parquet|csv|tsv|txt|ya?ml|arrow|jinja|gguf|safetensors)(\.(gz|zst|bz2|xz))?$", re.I)
"""Endings of files: `stories/train.jsonl` is one that is missing, not a repository."""


def home(name: str | Path) -> Path:
    """A path with `~` and `~someone` as a shell gives them; without such a user as it is."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 - pathlib's raises


def locate(name: str | Path) -> Path:
    """The path that `name` means: what is in the working folder, else what the package brings (`quickstart`,
    `tinystories/pretrain.yaml`, with or without `recipes/` before it), else `name` as it is.
    """
    path = home(name)
    if path.exists() or path.is_absolute() or ".." in path.parts or not path.parts:
        return path
    found = RECIPES / (path.relative_to("recipes") if path.parts[0] == "recipes" else path)
    if not found.exists():
        return path
    here = Path.cwd()
    return found.relative_to(here) if found.is_relative_to(here) else found


def beside(file: Path, name: str) -> Path:
    """The path that a recipe means by `name` (`extends: ../base/pretrain.yaml`): relative to its own folder, else what the package brings."""
    path = file.parent / name
    return path if path.exists() else locate(re.sub(r"^(\.\./)+", "", name))


def name_of(path: Path) -> str:
    """The shortest name by which `locate` finds `path` again: `quickstart/pretrain.yaml` for what the package brings."""
    name = path.relative_to(RECIPES) if path.is_absolute() and path.is_relative_to(RECIPES) else path
    return str(name if locate(name) == path else path)


def packaged_recipes() -> list[str]:
    """The recipe folders that the package brings, by name."""
    return sorted(p.name for p in RECIPES.glob("*") if p.is_dir())


def find(name: str | Path, where: str = "") -> str:
    """The path or Hub id that a name means; a RecipeError (which begins with `where`) where it is neither."""
    path = home(name)
    if path.exists():
        return str(path)
    if not is_hub_id(name):
        near = suggestion(path.name, (p.name for p in path.parent.glob("*")))
        raise RecipeError(f"{where}{name}: no such file or folder{near}{looked_for(path)}")
    return str(name)


def looked_for(path: Path) -> str:
    """What a message says of a missing path: where it would have been, and what a relative one is relative to."""
    relative = "" if path.is_absolute() else "; relative paths are relative to the working folder"
    return f" (looked for {path.absolute()}{relative})"


def find_model(name: str | Path, where: str = "", holds: str = "config.json") -> str:
    """The folder or Hub id of a model, or of an adapter; a RecipeError where the folder does not have the file `holds`."""
    found = Path(find(name, where))
    if found.exists() and not any((found / file).is_file() for file in (holds, "adapter_config.json")):
        raise RecipeError(f"{where}{name}: holds no model (no {holds})")
    return str(found)


def is_hub_id(name: str | Path) -> bool:
    """Whether a model, tokenizer, vocabulary or dataset is named by the id of a repository (`gpt2`, `someone/stories`)
    and not by a path: nothing of that name is here, and it looks like an id and not like a file.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(str(name))
    except HFValidationError:
        return False
    return not FILE.search(str(name)) and not home(name).exists()
