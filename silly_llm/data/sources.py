"""Data providers: where records come from. One spec for `dataset:` and `eval_dataset:` in every recipe.

A spec is a Hub id, a path (file, folder or glob of jsonl, json, parquet, txt, csv), a mapping with `type:` and the options
of a data provider, or a list of those with weights. Everything ends as a memory-mapped `datasets.Dataset`,
or as a `datasets.IterableDataset` where a recipe streams.
"""

from __future__ import annotations

import glob
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.container import Container
from silly_llm.errors import RecipeError, RunError, suggestion
from silly_llm.lookup import is_hub_id
from silly_llm.output import fingerprint
from silly_llm.registry import config_of, register

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

Source = str | dict[str, Any] | list
"""What a recipe may write for a dataset."""

BUILDERS = {
    "jsonl": "json",
    "json": "json",
    "ndjson": "json",
    "parquet": "parquet",
    "csv": "csv",
    "txt": "text",
}
"""File ending → builder of `datasets`; txt is read by ours, since a line is not a document."""
EVALUATION_SPLITS = ("validation", "test", "train")
"""Which split an evaluation takes, the first that exists."""
END_OF_TEXT = "<|endoftext|>"
"""What separates documents in a text file, as in the published TinyStories files."""


class DataProvider(ABC):
    """Where records come from."""

    @abstractmethod
    def splits(self) -> list[str]:
        """The names of the splits it can load."""

    @abstractmethod
    def load(self, split: str = "train") -> Dataset:
        """The records of a split.

        Raises:
            RecipeError: there is no such split.
            RunError: the data cannot be reached or read.
        """

    def stream(self, split: str = "train") -> IterableDataset:
        """The records of a split, read as they are needed; its `state_dict` says how far. By default those of `load`."""
        return self.load(split).to_iterable_dataset()

    def inputs(self) -> list[str]:
        """Local paths or Hub ids that a result made from this data depends on."""
        return []


def open_source(spec: Source, *, container: Container | None = None) -> DataProvider:
    """The data provider that a recipe's `dataset:` names; checks that it exists where that costs nothing.

    Raises:
        RecipeError: the spec is malformed, or names a file that does not exist.
    """
    if isinstance(spec, str):
        local = _is_local(spec)
        mapping: dict[str, Any] = {"type": "files" if local else "hub", "path": spec}
    elif isinstance(spec, Mapping):
        mapping = dict(spec)
        if "type" not in mapping and isinstance(mapping.get("path"), str):
            mapping["type"] = "files" if _is_local(mapping["path"]) else "hub"
    elif isinstance(spec, Sequence):
        mapping = {"type": "mixture", "sources": list(spec)}
    else:
        raise RecipeError(f"dataset: expected a Hub id, a path, a mapping or a list, got {spec!r}")
    config_of("data_provider", mapping, where="dataset:")
    return (container or Container()).build("data_provider", mapping)


def load_records(
    spec: Source, *, split: str | Sequence[str] = "train", container: Container | None = None
) -> Dataset:
    """The records a spec names, of `split` or of the first of several splits that exists."""
    provider = open_source(spec, container=container)
    if isinstance(split, str):
        return provider.load(split)
    known = provider.splits()
    return provider.load(next((s for s in split if s in known), known[0]))


@dataclass
class FilesConfig:
    path: str
    """A file, a folder or a glob."""
    separator: str = END_OF_TEXT
    """What separates the documents of a txt file; a file without it is one document."""


@register("data_provider", "files")
class FilesProvider(DataProvider):
    """Local files: a file, a folder or a glob of jsonl, json, parquet, csv or txt."""

    def __init__(self, config: FilesConfig) -> None:
        self.config = config
        self.path = Path(config.path).expanduser()
        if self.path.is_dir():
            self.files = sorted(p for p in self.path.rglob("*") if p.is_file() and _ending(p) in BUILDERS)
            self.is_folder = True
        else:
            self.files = [Path(p) for p in sorted(glob.glob(str(self.path), recursive=True))]  # noqa: PTH207 - absolute globs too
            self.is_folder = False
        if not self.files:
            raise RecipeError(f"dataset: no such file: {config.path!r}{_near(self.path)}")
        endings = {_ending(p) for p in self.files}
        if not self.is_folder and (len(endings) > 1 or not endings <= set(BUILDERS)):
            raise RecipeError(
                f"dataset: {config.path!r}: expected files of one kind out of {', '.join(BUILDERS)}"
            )
        for file in self.files:
            if file.stat().st_size == 0:
                raise RecipeError(f"dataset: {str(file)!r} is empty")

    def splits(self) -> list[str]:
        if not self._reads_by_datasets():
            return ["train"]
        from datasets import get_dataset_split_names

        return list(_guarded(self.config.path, lambda: get_dataset_split_names(str(self.path))))

    def load(self, split: str = "train") -> Dataset:
        return self._open(split, streaming=False)

    def stream(self, split: str = "train") -> IterableDataset:
        return self._open(split, streaming=True)

    def _open(self, split: str, *, streaming: bool) -> Any:
        from datasets import Dataset, IterableDataset, load_dataset

        if self._reads_by_datasets():
            _check_split(split, self.splits(), self.config.path)
            return _guarded(
                self.config.path,
                lambda: load_dataset(
                    str(self.path), split=split, cache_dir=self._cache(), streaming=streaming
                ),
            )
        _check_split(split, ["train"], self.config.path)
        ending = _ending(self.files[0])
        if ending == "txt":
            names = [str(p) for p in self.files]
            arguments = {
                "files": names,
                "separator": self.config.separator,
                "stamps": [(p.stat().st_size, p.stat().st_mtime_ns) for p in self.files],
            }
            kind = IterableDataset if streaming else Dataset
            return _guarded(self.config.path, lambda: kind.from_generator(_read_texts, gen_kwargs=arguments))
        files = [str(p) for p in self.files]
        return _guarded(
            self.config.path,
            lambda: load_dataset(BUILDERS[ending], data_files=files, split="train", streaming=streaming),
        )

    def inputs(self) -> list[str]:
        return [str(self.path)] if self.is_folder else [str(p) for p in self.files]

    def _cache(self) -> str:
        """A cache of its own for what the folder holds now: that of `datasets` mixes up folders of one name whose cards
        have `configs`."""
        from datasets.config import HF_DATASETS_CACHE

        stamps = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in self.files]
        return str(Path(HF_DATASETS_CACHE) / f"silly_llm-{fingerprint(stamps)[:16]}")

    def _reads_by_datasets(self) -> bool:
        return self.is_folder and {_ending(p) for p in self.files} != {"txt"}


@dataclass
class HubConfig:
    path: str
    """The Hub id of a dataset."""
    name: str | None = None
    """Its configuration."""
    revision: str | None = None
    """Branch, tag or commit."""
    data_files: str | list[str] | None = None
    """Files of the repository to read instead of its default."""


@register("data_provider", "hub")
class HubProvider(DataProvider):
    """A dataset of the Hugging Face Hub."""

    def __init__(self, config: HubConfig) -> None:
        self.config = config

    def splits(self) -> list[str]:
        from datasets import get_dataset_split_names

        c = self.config
        return _guarded(c.path, lambda: get_dataset_split_names(c.path, c.name, revision=c.revision))

    def load(self, split: str = "train") -> Dataset:
        return self._open(split, streaming=False)

    def stream(self, split: str = "train") -> IterableDataset:
        return self._open(split, streaming=True)

    def _open(self, split: str, *, streaming: bool) -> Any:
        from datasets import load_dataset

        c = self.config
        return _guarded(
            c.path,
            lambda: load_dataset(
                c.path,
                c.name,
                split=split,
                revision=c.revision,
                data_files=c.data_files,
                streaming=streaming,
            ),
        )

    def inputs(self) -> list[str]:
        return [f"{self.config.path}@{self.config.revision or 'main'}"]


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


@dataclass
class MixtureConfig:
    sources: list[Any]
    """Specs; a mapping may have a `weight` (default 1), and `{dataset: SPEC, weight: W}` weighs any spec."""
    seed: int = 0
    stopping_strategy: str = "first_exhausted"
    """As in `datasets.interleave_datasets`."""
    columns: list[str] = field(default_factory=list)
    """Columns to keep; by default those that all sources have."""


@register("data_provider", "mixture")
class MixtureProvider(DataProvider):
    """Several sources, interleaved by weight."""

    def __init__(self, config: MixtureConfig) -> None:
        if not config.sources:
            raise RecipeError("dataset: a list of sources must not be empty")
        self.config = config
        self.providers: list[DataProvider] = []
        weights: list[float] = []
        for source in config.sources:
            weight, spec = 1.0, source
            if isinstance(source, Mapping):
                weight = source.get("weight", 1.0)
                rest = {k: v for k, v in source.items() if k != "weight"}
                spec = rest["dataset"] if set(rest) == {"dataset"} else rest
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight <= 0:
                raise RecipeError(f"dataset: weight: expected a number above 0, got {weight!r}")
            weights.append(float(weight))
            self.providers.append(open_source(spec))
        self.probabilities = [w / sum(weights) for w in weights]

    def splits(self) -> list[str]:
        first, *others = (provider.splits() for provider in self.providers)
        return [s for s in first if all(s in other for other in others)] or ["train"]

    def load(self, split: str = "train") -> Dataset:
        return self._interleave([provider.load(split) for provider in self.providers])

    def stream(self, split: str = "train") -> IterableDataset:
        return self._interleave([provider.stream(split) for provider in self.providers])

    def _interleave(self, parts: list[Any]) -> Any:
        from datasets import interleave_datasets

        names = [columns_of(part) for part in parts]
        columns = self.config.columns or [c for c in names[0] if all(c in others for others in names)]
        return interleave_datasets(
            [part.select_columns(columns) for part in parts],
            probabilities=self.probabilities,
            seed=self.config.seed,
            stopping_strategy=self.config.stopping_strategy,
        )

    def inputs(self) -> list[str]:
        return [path for provider in self.providers for path in provider.inputs()]


def columns_of(records: Dataset | IterableDataset) -> list[str]:
    """The names of the columns; a stream may have to read its first record for them."""
    return records.column_names or list(next(iter(records.take(1)), {}))


def _read_texts(files: list[str], separator: str, stamps: list) -> Iterator[dict[str, str]]:
    """Documents of text files; memory holds one document (`stamps` only makes the cache of `datasets` notice a change)."""
    for name in files:
        buffer: list[str] = []
        with Path(name).open(encoding="utf-8") as file:
            for line in file:
                before, found, after = line.partition(separator)
                buffer.append(before)
                if found:
                    if text := "".join(buffer).strip():
                        yield {"text": text}
                    buffer = [after]
        if text := "".join(buffer).strip():
            yield {"text": text}


def _is_local(path: str) -> bool:
    """Is it a path or a glob rather than a Hub id?"""
    return not is_hub_id(path)


def _ending(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2].lower()


def _near(path: Path) -> str:
    return suggestion(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""


def _check_split(split: str, known: Sequence[str], path: str) -> None:
    if split not in known:
        raise RecipeError(
            f"dataset: {path!r} has no split {split!r}{suggestion(split, known)}; it has {', '.join(known)}"
        )


def _guarded(path: str, load: Any) -> Any:
    """Call `load`; what `datasets` raises becomes one line."""
    try:
        return load()
    except (RecipeError, KeyboardInterrupt):
        raise
    except UnicodeDecodeError as error:
        raise RecipeError(f"dataset: {path!r} is not UTF-8 text ({error.reason})") from error
    except Exception as error:
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split()) or type(cause).__name__
        kind = (
            RecipeError if type(error).__name__ in ("DatasetNotFoundError", "EmptyDatasetError") else RunError
        )
        raise kind(f"dataset: {path!r} cannot be loaded: {reason[:300]}") from error
