"""What of a folder may go up to the Hub: which files, under which card, and that no secret is among them."""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from silly_llm.config import SECRET_VARIABLE
from silly_llm.errors import RecipeError

NEVER = (
    ".*", "journal*", "checkpoint-*", "optimizer*", "scheduler.*", "rng_state*", "trainer_state.json", "global_step*",
    "runs", "wandb", "cache*", "__pycache__", "*.lock", "*.tmp", "*.log", "*.arrow", "*.bin", "*.pt", "*.pth", "*.pkl",
)  # fmt: skip
"""Names of files and folders that are never uploaded."""
HUB_TOKEN = re.compile(rb"\bhf_[A-Za-z0-9]{30,}\b")


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


def files_of(folder: Path) -> list[str]:
    """The files of a folder that may be published, as sorted paths with `/`."""
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        path.as_posix()
        for path in paths
        if not any(fnmatch.fnmatch(part, never) for part in path.parts for never in NEVER)
    ]


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
        raise RecipeError(
            f"{path}: the YAML header cannot be read ({' '.join(str(error).split())})"
        ) from None
    if repo_type == "dataset":
        for pattern in _data_files(data.get("configs"), path):
            if not fnmatch.filter(files, pattern):
                raise RecipeError(f"{path}: configs: no file of the folder fits {pattern!r}")
    return text


def refuse_secrets(folder: Path, files: Sequence[str], token: str) -> None:
    """Look for the token, for values of environment variables that are secrets, and for anything like a Hub token.

    Raises:
        RecipeError: naming the file, not the secret.
    """
    named = (v for name, v in os.environ.items() if SECRET_VARIABLE.search(name) and len(v) >= 8)
    secrets = [re.escape(value.encode()) for value in {token, *named}]
    secret = re.compile(b"|".join([*secrets, HUB_TOKEN.pattern]))
    for name in files:
        if any(secret.search(block) for block in _blocks(folder / name)):
            raise RecipeError(f"{folder / name}: contains a token or another secret; it is not published")


def unfinished(folder: Path) -> bool:
    """Whether the folder's stamp says that its phase has not ended."""
    try:
        return (
            json.loads((folder / ".silly" / "run.json").read_text(encoding="utf-8")).get("finished") is False
        )
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


def _blocks(path: Path, size: int = 1 << 22, overlap: int = 1 << 10) -> Iterator[bytes]:
    """A file's bytes in overlapping blocks; of Parquet, which is compressed, the text of its columns."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches():
            for column in batch.columns:
                yield from (buffer.to_pybytes() for buffer in column.buffers() if buffer is not None)
        return
    with path.open("rb") as file:
        tail = b""
        while block := file.read(size):
            yield tail + block
            tail = block[-overlap:]
