"""Data providers: where records come from. The same specification is used for `dataset:` and `eval_dataset:` in every recipe.

A specification is a Hub id, a path or URL (file, folder or glob of jsonl, json, parquet, txt, csv, tsv), a mapping with `type:` and
the options of a data provider, or a list of those with weights. The result is a memory-mapped `datasets.Dataset`,
or a `datasets.IterableDataset` if the recipe streams.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.registry import parse_component, register
from silly_llm.data.layout import is_local
from silly_llm.data.rows import no_column, no_text

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

Source = str | dict[str, Any] | list
"""The values a recipe accepts for a dataset."""

EVALUATION_SPLITS = ("validation", "test", "train")
"""Evaluation uses the first of these splits that exists."""
NOT_FOUND = ("DatasetNotFoundError", "EmptyDatasetError")
"""Exceptions raised by `datasets`."""


class DataProvider(ABC):
    """A source of records."""

    @abstractmethod
    def splits(self) -> list[str]:
        """The names of the available splits."""

    @abstractmethod
    def load(self, split: str = "train") -> Dataset:
        """The records of a split.

        Raises:
            RecipeError: there is no such split.
            RunError: the data cannot be reached or read.
        """

    def stream(self, split: str = "train") -> IterableDataset:
        """The records of a split, read as needed; its `state_dict` stores the position. By default those of `load`."""
        return self.load(split).to_iterable_dataset()

    def texts(self, column: str, split: str = "train", *, streaming: bool = False) -> Any:
        """The texts of a split: a `Dataset` (or an `IterableDataset`) with one column of texts or nulls.

        Raises:
                RecipeError: there is no such column or split, or the column does not contain text.
        """
        records = self.stream(split) if streaming else self.load(split)
        require_text(records, column)
        return records.select_columns([column])

    def inputs(self) -> list[str]:
        """Local paths, URLs or Hub ids that results made from this data depend on."""
        return []


def open_source(spec: Source, *, container: Container | None = None) -> DataProvider:
    """The data provider for a recipe's `dataset:`; checks that it exists if that is cheap.

    Raises:
            RecipeError: the specification is malformed, or names a file that does not exist.
    """
    if isinstance(spec, str):
        spec = {"path": spec}
    elif isinstance(spec, list):
        spec = {"type": "mixture", "sources": spec}
    elif not isinstance(spec, Mapping):
        raise RecipeError(f"dataset: expected a Hub id, a path, a mapping or a list, got {spec!r}")
    mapping = dict(spec)
    if isinstance(path := mapping.get("path"), str):
        mapping.setdefault("type", "files" if is_local(path) else "hub")
    parsed = parse_component("data_provider", mapping, where="dataset:")
    return (container or Container()).build("data_provider", parsed)


def load_records(spec: Source | DataProvider, *, split: str | Sequence[str] = "train") -> Dataset:
    """The records of `split`, or of the first of several splits that exists (of the first one if none does)."""
    provider = spec if isinstance(spec, DataProvider) else open_source(spec)
    if isinstance(split, str):
        return provider.load(split)
    known = provider.splits()
    return provider.load(next((s for s in split if s in known), known[0]))


@register("data_provider", "hub")
@dataclass(kw_only=True)
class HubProvider(DataProvider):
    """A dataset of the Hugging Face Hub."""

    path: str
    """The Hub id of a dataset."""
    name: str | None = None
    """Its configuration."""
    revision: str | None = None
    """Branch, tag or commit."""
    data_files: str | list[str] | None = None
    """Files of the repository to read instead of the default."""

    def splits(self) -> list[str]:
        from datasets import get_dataset_split_names

        return guarded(self.path, lambda: get_dataset_split_names(self.path, self.name, revision=self.revision))

    def load(self, split: str = "train", *, streaming: bool = False) -> Dataset:
        from datasets import load_dataset

        options = {**asdict(self), "split": split, "streaming": streaming}
        return guarded(self.path, lambda: load_dataset(**options))

    def stream(self, split: str = "train") -> IterableDataset:
        return self.load(split, streaming=True)

    def inputs(self) -> list[str]:
        return [f"{self.path}@{self.revision or 'main'}"]


@dataclass
class MixtureConfig:
    sources: list[Any]
    """Specifications; a mapping may have a `weight` (default 1), and `{dataset: SPEC, weight: W}` sets the weight of any of them."""
    seed: int = 0
    stopping_strategy: str = "first_exhausted"
    """As in `datasets.interleave_datasets`."""
    columns: list[str] = field(default_factory=list)
    """Columns to keep; by default those common to all sources."""


@register("data_provider", "mixture")
class MixtureProvider(DataProvider):
    """Several sources, interleaved by weight."""

    def __init__(self, config: MixtureConfig) -> None:
        if not config.sources:
            raise RecipeError("dataset: a list of sources must not be empty")
        self.config = config
        self.providers: list[DataProvider] = []
        weights = []
        for source in config.sources:
            weight = 1.0
            if isinstance(source, Mapping):
                weight = source.get("weight", weight)
                source = {k: v for k, v in source.items() if k != "weight"}
                source = source["dataset"] if list(source) == ["dataset"] else source
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight <= 0:
                raise RecipeError(f"dataset: weight: expected a number above 0, got {weight!r}")
            weights.append(weight)
            self.providers.append(open_source(source))
        self.probabilities = [w / sum(weights) for w in weights]

    def splits(self) -> list[str]:
        first, *others = (provider.splits() for provider in self.providers)
        return [s for s in first if all(s in other for other in others)] or ["train"]

    def load(self, split: str = "train") -> Dataset:
        return self._interleave([provider.load(split) for provider in self.providers])

    def stream(self, split: str = "train") -> IterableDataset:
        return self._interleave([provider.stream(split) for provider in self.providers])

    def texts(self, column: str, split: str = "train", *, streaming: bool = False) -> Any:
        return self._interleave([p.texts(column, split, streaming=streaming) for p in self.providers])

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
    """The names of the columns; for a stream this may read the first record."""
    return records.column_names or list(next(iter(records.take(1)), {}))


def require_text(records: Dataset | IterableDataset, column: str, name: str = "") -> None:
    """Raise a RecipeError if there is no such column or it does not contain text."""
    known = columns_of(records)
    if column not in known:
        raise RecipeError(f"text_column: {name}{no_column(column, known)}")
    kind = getattr(records.features[column], "dtype", None) if records.features else "string"
    if kind in ("string", "large_string", "null"):
        return
    for number, record in enumerate(records.select_columns([column]), 1):
        if not isinstance(value := record[column], str | None):
            raise RecipeError(f"dataset: {name}row {number}: {no_text(column, value)}")


def guarded(path: str, load: Callable[[], Any]) -> Any:
    """Call `load` and turn exceptions of `datasets` and file systems into one line."""
    try:
        return load()
    except Exception as error:
        cause: BaseException = error
        while not isinstance(cause, (RecipeError, RunError)) and cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, (RecipeError, RunError)):
            raise cause from None
        reason = " ".join(str(cause).split()) or type(cause).__name__
        if "corresponds to no data" in reason or isinstance(cause, StopIteration):
            raise RecipeError(f"dataset: {path!r} has no rows") from None
        missing = isinstance(cause, FileNotFoundError) or type(error).__name__ in NOT_FOUND
        elsewhere = "://" in path or not is_local(path) or isinstance(cause, OSError)
        kind = RunError if elsewhere and not missing else RecipeError
        raise kind(f"dataset: {path!r} cannot be loaded: {reason[:300]}") from error
