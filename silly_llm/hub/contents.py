"""What of a folder goes up to the Hub: the files that phases write there, under a card that can be read, and no code."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.folders import manifest
from silly_llm.hub.scan import refuse_secrets

__all__ = ["files_of", "kind_of", "left_of", "read_card", "refuse_code", "refuse_secrets", "unfinished"]

COMMON = ("README.md", "recipe.yaml", "provenance.json", "statistics.json")
PUBLISHED = {
    "dataset": (*COMMON, "vocabulary.json", "data/*.parquet"),
    "model": (
        *(*COMMON, "config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json"),
        *(
            "tokenizer.json",
            "tokenizer_config.json",
            "tokenizer.model",
            "special_tokens_map.json",
            "added_tokens.json",
        ),
        *("vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja", "additional_chat_templates/*.jinja"),
        *("adapter_config.json", "training_log.jsonl", "samples.jsonl", "training*.html", "*.gguf", "onnx/*.onnx"),
    ),
}
"""What goes up, as globs: one without `/` is for the folder itself."""
KEPT_QUIETLY = (
    ".silly", "journal*", "checkpoint-*", "optimizer*", "scheduler.*", "rng_state*", "trainer_state.json", "training_args.bin",
    "global_step*", "*.lock", "*.tmp",
)  # fmt: skip
"""Ours as well, and of use here only: not named among what is left here."""


def kind_of(folder: Path) -> str:
    """`dataset` or `model`, by what is in the folder.

    Raises:
        RecipeError: no such folder, or neither.
    """
    if not folder.is_dir():
        raise RecipeError(f"{folder}: no such folder")
    if any(folder.glob("data/*.parquet")):
        return "dataset"
    if any((folder / name).is_file() for name in ("config.json", "adapter_config.json")) and any(
        folder.glob("*.safetensors")
    ):
        return "model"
    raise RecipeError(
        f"{folder}: is neither a dataset folder (data/*.parquet) nor a model folder (config.json, *.safetensors)"
    )


def files_of(folder: Path, kind: str | None = None, include: Sequence[str] = ()) -> list[str]:
    """The files of a folder that are published, as sorted paths with `/`. Links that lead out of the folder never are.

    Args:
        kind: `dataset` or `model`; default: by what is in the folder.
        include: globs of files that go up besides; a `*` also stands for `/`.
    """
    allowed = PUBLISHED[kind or kind_of(folder)]
    root = folder.resolve()
    ours = manifest.recorded(folder)

    def is_ours(name: str) -> bool:  # of data that a phase made, nobody else's Parquet file is a part
        return any(_fits(name, glob) for glob in allowed) and (
            not ours or not name.startswith("data/") or name in ours
        )

    return [
        name
        for name in _names(folder)
        if (is_ours(name) or any(fnmatch.fnmatch(name, glob) for glob in include))
        and not any(part.startswith(".") for part in name.split("/"))
        and (folder / name).resolve().is_relative_to(root)
    ]


def left_of(folder: Path, files: Sequence[str]) -> str:
    """One line that names what is in the folder and stays here; empty when that is only what it is for."""
    published = set(files)
    left = [name for name in _names(folder) if name not in published]
    tops = dict.fromkeys(
        f"{top}/" if rest else top
        for top, rest in ((name.partition("/")[0], "/" in name) for name in left)
        if not any(fnmatch.fnmatch(top, glob) for glob in KEPT_QUIETLY)
    )
    if not tops:
        return ""
    named = ", ".join(list(tops)[:8]) + (f" and {len(tops) - 8} more" if len(tops) > 8 else "")
    return f"not published, for no phase writes it or it is a link to elsewhere: {named} (`--include GLOB` takes files along)"


def refuse_code(folder: Path, files: Sequence[str]) -> None:
    """A model that needs code of its own is published only together with that code, which somebody asked for by `include`.

    Raises:
        RecipeError: naming the file with `auto_map`.
    """
    for name in ("config.json", "tokenizer_config.json", "adapter_config.json", "generation_config.json"):
        path = folder / name
        if name not in files or any(file.endswith(".py") for file in files):
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RecipeError(f"{path}: is not JSON ({error})") from None
        if isinstance(content, dict) and content.get("auto_map"):
            raise RecipeError(
                f"{path}: auto_map asks for code of its own (trust_remote_code), which is not published; take auto_map out if "
                "transformers knows the architecture, or publish the code too: --include '*.py'"
            )


def _names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]


def _fits(name: str, glob: str) -> bool:
    return ("/" in glob or "/" not in name) and fnmatch.fnmatch(name, glob)


def read_card(folder: Path, repo_type: str, files: Sequence[str]) -> str | None:
    """The folder's README.md, its header checked; `None` when it has none.

    Raises:
        RecipeError: the header is not YAML, or names data files that are not there.
    """
    path = folder / "README.md"
    if not path.is_file():
        return None
    from huggingface_hub import DatasetCard, ModelCard
    from yaml import YAMLError

    try:
        text = path.read_text(encoding="utf-8")
        data = (DatasetCard if repo_type == "dataset" else ModelCard)(text).data.to_dict()
    except (YAMLError, ValueError, TypeError, AttributeError) as error:
        raise RecipeError(f"{path}: the YAML header cannot be read ({' '.join(str(error).split())})") from None
    if repo_type == "dataset":
        for pattern in _data_files(data.get("configs"), path):
            if not fnmatch.filter(files, pattern):
                raise RecipeError(f"{path}: configs: no file of the folder fits {pattern!r}")
    return text


def unfinished(folder: Path) -> bool:
    """Whether the folder's stamp says that its phase has not ended."""
    try:
        return json.loads((folder / ".silly" / "run.json").read_text(encoding="utf-8")).get("finished") is False
    except (OSError, ValueError):
        return False


def _data_files(configs: Any, path: Path) -> Iterator[str]:
    """The patterns in a dataset card's `configs`."""
    for config in configs or []:
        data_files = config.get("data_files", []) if isinstance(config, dict) else None
        if data_files is None:
            raise RecipeError(f"{path}: configs: expected a list of mappings")
        for item in [data_files] if isinstance(data_files, (str, dict)) else data_files:
            found = item.get("path", []) if isinstance(item, dict) else item
            yield from [found] if isinstance(found, str) else found
