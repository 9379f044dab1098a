"""The data provider for files: paths, folders, globs, URLs."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.registry import register
from silly_llm.data.layout import file_system, kind_of, local_path, splits_of
from silly_llm.data.rows import check_columns, check_lines, csv_columns, parquet_rows, read_rows
from silly_llm.data.sources import DataProvider, guarded, require_text

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset


END_OF_TEXT = "<|endoftext|>"
"""Separates documents in the published TinyStories files."""
ROWS_AT_ONCE = 200
"""Rows in memory while files are read."""
ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t"}


@dataclass
class FilesConfig:
    path: str
    """A file, a folder, a glob, or a URL of any of them (`hf://`, `s3://`, `https://` …)."""
    separator: str = END_OF_TEXT
    """Separator between the documents of a txt file (`\\n`: one document per line); a file without it is one document."""


@register("data_provider", "files")
class FilesProvider(DataProvider):
    """Reads a file, a folder or a glob of jsonl, json, parquet, csv, tsv, txt or arrow, compressed or not; also the output of `save_to_disk`."""

    def __init__(self, config: FilesConfig) -> None:
        self.config = config
        self.separator = re.sub(r"\\[nrt]", lambda found: ESCAPES[found[0]], config.separator)
        if not self.separator:
            raise RecipeError("dataset: separator: must not be empty")
        self.path = local_path(config.path)
        saved = [self.path / name for name in ("dataset_dict.json", "state.json")] if self.path else []
        self.saved = guarded(config.path, lambda: any(path.is_file() for path in saved))
        if self.path is None:
            file_system(config.path)  # checks that its package is installed; sends nothing yet
        elif not self.saved:
            _ = self.files

    @cached_property
    def files(self) -> dict[str, list[str]]:
        """Paths or URLs by split."""
        return guarded(self.config.path, lambda: splits_of(self.config.path))

    @cached_property
    def on_disk(self) -> dict[str, Dataset]:
        """Outputs of `save_to_disk`, by split."""
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
        """The records of a split, or one column of them, which must contain texts."""
        if split not in (known := self.splits()):
            near = suggestion(split, known)
            raise RecipeError(f"dataset: {self.config.path!r} has no split {split!r}{near}; it has {', '.join(known)}")
        if self.saved:
            return self.on_disk[split].to_iterable_dataset() if streaming else self.on_disk[split]
        kinds: dict[str, list[str]] = {}
        for name in self.files[split]:
            kinds.setdefault(str(kind_of(name)), []).append(name)
        exact = {"csv", "text"} | ({"json"} if column is not None else set())
        parts = [
            (self._read_exactly if kind in exact else self._load)(kind, names, column, streaming)
            for kind, names in kinds.items()
        ]
        return guarded(self.config.path, lambda: joined(parts)) if len(parts) > 1 else parts[0]

    def _read_exactly(self, kind: str, names: list[str], column: str | None, streaming: bool) -> Any:
        """Texts read with our own readers (`silly_llm.data.rows`)."""
        from datasets import Dataset, Features, IterableDataset, Value

        if column is not None:
            columns = [column]
        else:
            columns = list(dict.fromkeys(c for n in names for c in csv_columns(n))) if kind == "csv" else ["text"]
        files = [(name, stamp(name)) for name in names]
        arguments = {"files": files, "kind": kind, "columns": tuple(columns), "separator": self.separator}
        features = Features(dict.fromkeys(columns, Value("string")))
        if streaming:
            return IterableDataset.from_generator(read_rows, features=features, gen_kwargs=arguments)
        options = {"features": features, "gen_kwargs": arguments, "writer_batch_size": ROWS_AT_ONCE}
        return guarded(self.config.path, lambda: Dataset.from_generator(read_rows, **options))

    def _load(self, kind: str, names: list[str], column: str | None, streaming: bool) -> Any:
        """Records read by `datasets`, after checking for anything it would misread or reject, since its errors name neither file nor row."""
        from datasets import Features, Value, load_dataset

        if kind == "parquet" and not (names := [name for name in names if parquet_rows(name, column)]):
            raise RecipeError(f"dataset: {self.config.path!r} has no rows")
        options: dict[str, Any] = {"data_files": [n if "://" in n else glob.escape(n) for n in names]}
        if kind == "parquet" and column is not None:
            options |= {"columns": [column], "features": Features({column: Value("string")})}
        for name in names:
            if "://" not in name and ("::" in name or os.path.expandvars(name) != name):
                sign = "`::` in this path as a chain" if "::" in name else "$ in this path as a variable"
                raise RecipeError(
                    f"dataset: {name}: `datasets` reads the {sign}; rename the file, or read it through a link"
                )
            if kind == "json" and "://" not in name:
                check_lines(name)  # `datasets` accepts any bytes as text
        try:
            records = guarded(
                self.config.path, lambda: load_dataset(kind, split="train", streaming=streaming, **options)
            )
        except RecipeError:
            for name in names if kind == "json" else ():
                check_columns(name)
            raise
        if column is None:
            return records
        require_text(records, column, f"{self.config.path}: ")
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
    """A dataset written by an earlier run of Silly LLM."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(FilesConfig(path=str(Path(config.folder) / config.phase)))


def joined(parts: list[Any]) -> Any:
    """Records one after the other, without columns that have several types; a missing column is null."""
    from datasets import concatenate_datasets

    types: dict[str, list[Any]] = {}
    for part in parts:
        for column, kind in (part.features or {}).items():
            types.setdefault(column, []).append(kind)
    mixed = [column for column, kinds in types.items() if any(kind != kinds[0] for kind in kinds)]
    if mixed:
        print(f"dataset: columns left out because their types differ between files: {', '.join(mixed)}", flush=True)
    return concatenate_datasets([p.remove_columns([c for c in mixed if c in p.features]) for p in parts])


def stamp(name: str) -> Any:
    """A stamp that changes when the file does."""
    if "://" in name:
        files, path = file_system(name)
        return files.ukey(path)
    facts = Path(name).stat()
    return facts.st_size, facts.st_mtime_ns
