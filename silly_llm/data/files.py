"""The data provider of files: paths, folders, globs, addresses."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.data.layout import file_system, kind_of, local_path, splits_of
from silly_llm.data.opening import telling
from silly_llm.data.rows import check_columns, check_lines, csv_columns, read_rows, text_type
from silly_llm.data.sources import (
    END_OF_TEXT,
    ROWS_AT_ONCE,
    DataProvider,
    check_split,
    guarded,
    joined,
    require_text,
    stamp,
)

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset


@dataclass
class FilesConfig:
    path: str
    """A file, a folder, a glob, or a URL of any of them (`hf://`, `s3://`, `https://` …)."""
    separator: str = END_OF_TEXT
    """What separates the documents of a txt file (`\\n`: a document a line); a file without it is one document."""


@register("data_provider", "files")
class FilesProvider(DataProvider):
    """Files: one, a folder or a glob of jsonl, json, parquet, csv, tsv, txt or arrow, packed or not; also what `save_to_disk` left."""

    def __init__(self, config: FilesConfig) -> None:
        self.config = config
        self.separator = re.sub(
            r"\\([nrt])", lambda found: {"n": "\n", "r": "\r", "t": "\t"}[found[1]], config.separator
        )
        if not self.separator:
            raise RecipeError("dataset: separator: must not be empty")
        self.path = local_path(config.path)
        self.saved = self.path is not None and any(
            (self.path / name).is_file() for name in ("dataset_dict.json", "state.json")
        )
        if self.path is None:
            file_system(config.path)  # asks for nothing yet
        elif not self.saved:
            _ = self.files

    @cached_property
    def files(self) -> dict[str, list[str]]:
        """Paths or URLs by split."""
        return guarded(self.config.path, lambda: splits_of(self.config.path))

    @cached_property
    def on_disk(self) -> dict[str, Dataset]:
        """What `save_to_disk` left, by split."""
        from datasets import Dataset, load_from_disk

        loaded = guarded(self.config.path, lambda: load_from_disk(str(self.path)))
        return {"train": loaded} if isinstance(loaded, Dataset) else dict(loaded)

    def splits(self) -> list[str]:
        return list(self.on_disk if self.saved else self.files)

    def load(self, split: str = "train") -> Dataset:
        return self._open(split, None, streaming=False)

    def stream(self, split: str = "train") -> IterableDataset:
        return self._open(split, None, streaming=True)

    def texts(self, column: str, split: str = "train", *, streaming: bool = False) -> Any:
        if self.saved:
            return super().texts(column, split, streaming=streaming)
        return self._open(split, column, streaming=streaming)

    def _open(self, split: str, column: str | None, *, streaming: bool) -> Any:
        """The records of a split, or one column of them, which holds texts."""
        check_split(split, self.splits(), self.config.path)
        if self.saved:
            return self.on_disk[split].to_iterable_dataset() if streaming else self.on_disk[split]
        kinds: dict[str, list[str]] = {}
        for name in self.files[split]:
            kinds.setdefault(str(kind_of(name)), []).append(name)
        parts = [self._read(kind, names, column, streaming) for kind, names in kinds.items()]
        return guarded(self.config.path, lambda: joined(parts)) if len(parts) > 1 else parts[0]

    def _read(self, kind: str, names: list[str], column: str | None, streaming: bool) -> Any:
        from datasets import Dataset, Features, IterableDataset, Value, load_dataset

        if kind in ("csv", "text") or (kind == "json" and column is not None):
            if column is not None:
                columns = [column]
            else:
                columns = list(dict.fromkeys(c for n in names for c in csv_columns(n))) if kind == "csv" else ["text"]
            arguments = {
                "files": [(name, stamp(name)) for name in names],
                "kind": kind,
                "columns": tuple(columns),
                "separator": self.separator,
            }
            features = Features(dict.fromkeys(columns, Value("string")))
            if streaming:
                return IterableDataset.from_generator(read_rows, features=features, gen_kwargs=arguments)
            return guarded(
                self.config.path,
                lambda: Dataset.from_generator(
                    read_rows, features=features, gen_kwargs=arguments, writer_batch_size=ROWS_AT_ONCE
                ),
            )
        options: dict[str, Any] = {}
        if kind == "parquet" and column is not None:
            for name in names:
                with telling(name):
                    text_type(name, column)
            options = {"columns": [column], "features": Features({column: Value("string")})}
        for name in names:
            if "://" not in name and os.path.expandvars(name) != name:
                raise RecipeError(
                    f"dataset: {name}: `datasets` takes the $ in this path for a variable; rename it, or read it through a link"
                )
            if kind == "json" and "://" not in name:
                check_lines(name)  # `datasets` takes any bytes for text
        escaped = [name if "://" in name else glob.escape(name) for name in names]
        try:
            records = guarded(
                self.config.path,
                lambda: load_dataset(kind, data_files=escaped, split="train", streaming=streaming, **options),
            )
        except RecipeError:
            for name in names if kind == "json" else ():
                check_columns(name)
            raise
        if column is None:
            return records
        require_text(records, column)
        return records.select_columns([column])

    def inputs(self) -> list[str]:
        if self.path is None or self.path.is_dir():
            return [str(self.path or self.config.path)]
        return self.files["train"]


@dataclass
class RunConfig:
    folder: str
    """A run's folder, such as `runs/quickstart`."""
    phase: str = "stories"
    """Which of its dataset folders: `stories` or `instructions`."""


@register("data_provider", "run")
class RunProvider(FilesProvider):
    """A dataset that a run of Silly LLM left behind."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(FilesConfig(path=str(Path(config.folder) / config.phase)))
