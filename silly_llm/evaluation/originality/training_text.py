"""The texts that a model was trained on, found by the `recipe.yaml` of its folder and of those it was tuned from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RecipeError, RunError, first_line
from silly_llm.core.folders.provenance import digest
from silly_llm.core.lookup import home
from silly_llm.data.filters.decontamination import sources_of
from silly_llm.data.sources import DataProvider, columns_of

SAID = ("completion", "messages", "conversations")
"""Columns of instructions; the first that is there has what a model learns to say."""
GENERATIONS = 8
"""How often a model may have been tuned from another."""


@dataclass
class TrainingText:
    """Everything that is known of it; reads nothing yet."""

    sources: list[tuple[DataProvider, str | None]] = field(default_factory=list)
    """With the column of texts; `None`: instructions, whose answers count."""
    names: list[str] = field(default_factory=list)
    cut: bool = False
    """Whether a source has more texts than the limit they were read with."""
    missing: list[str] = field(default_factory=list)
    """What is known to be absent, in a line each: such as a base model whose training set nobody names."""

    def texts(self, limit: int | None = None) -> Iterator[str]:
        """The texts in a stream, at most `limit` of each source; blank ones are passed over.

        Raises:
            RecipeError, RunError: a source cannot be read.
        """
        for source, column in self.sources:
            texts = filter(str.strip, _read(source, column))
            yield from islice(texts, limit)
            self.cut |= limit is not None and next(texts, None) is not None

    def add(self, dataset: Any, column: str | None) -> None:
        """A source as recipes name them; each part of a mixture counts in full.

        Raises:
            RecipeError: there is no such dataset.
        """
        found = [(source, column) for source in sources_of(dataset) if isinstance(source, DataProvider)]
        self.sources += found
        self.names += [str(name) for source, _ in found for name in source.inputs()[:1]]


def training_text(model: str, revision: str | None = None) -> TrainingText:
    """The training sets of a model folder or Hub id, and of the models that it was tuned from.

    A dataset is looked for as its recipe names it, beside the model's folder and in each folder above it, and in the working folder.
    """
    made, name = TrainingText(), model
    for _ in range(GENERATIONS):
        recipe, provenance = (_published(name, file, revision) for file in ("recipe.yaml", "provenance.json"))
        if not recipe.get("dataset"):
            made.missing.append(f"{name} does not say what it was trained on (no recipe.yaml with a dataset)")
            return made
        folder = home(name).resolve()
        tuned = "model_name_or_path" in recipe
        dataset = _located(recipe["dataset"], folder)
        try:
            made.add(dataset, None if tuned else recipe.get("text_column", "text"))
            before = provenance.get("inputs", {}).get(str(recipe["dataset"]))
            if isinstance(dataset, str) and before not in (None, digest(dataset)):
                made.missing.append(f"{dataset} has changed since {name} was trained on it")
        except (RecipeError, RunError) as error:
            made.missing.append(f"the training set of {name}: {first_line(error)}")
        start = recipe.get("model")
        base = recipe.get("model_name_or_path") or (start.get("pretrained") if isinstance(start, Mapping) else None)
        if not base:
            return made
        name, revision = _located(base, folder), None
    return made


def _published(model: str, file: str, revision: str | None) -> dict[str, Any]:
    """A YAML or JSON file of a model folder or Hub repository; empty where there is none that can be read."""
    import yaml
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError

    path = home(model)
    try:
        here = path / file if path.is_dir() else Path(hf_hub_download(model, file, revision=revision))
        content = here.read_text(encoding="utf-8")
        found = json.loads(content) if file.endswith(".json") else yaml.safe_load(content)
    except (OSError, ValueError, yaml.YAMLError, EntryNotFoundError, HFValidationError):
        return {}
    return found if isinstance(found, dict) else {}


def _located(spec: Any, folder: Path) -> Any:
    """A dataset or model with its local paths as they lie from here."""
    if isinstance(spec, list):
        return [_located(part, folder) for part in spec]
    if isinstance(spec, dict):
        paths = ("path", "folder", "dataset", "sources")
        return {key: _located(value, folder) if key in paths else value for key, value in spec.items()}
    if isinstance(spec, str) and "://" not in spec:
        places = [*(parent / spec for parent in folder.parents), folder.parent / Path(spec).name]
        return next((str(place) for place in places if place.exists()), spec)
    return spec


def _read(source: DataProvider, column: str | None) -> Iterator[str]:
    split = "train" if "train" in (splits := source.splits()) else splits[0]
    if column:
        records = source.texts(column, split, streaming=True)
    else:
        records = source.stream(split)
        known = columns_of(records)
        column = next((name for name in SAID if name in known), "text")
        if column not in known:
            raise RecipeError(f"dataset: needs one of the columns {', '.join(SAID)}; it has {', '.join(known)}")
        records = records.select_columns([column])
    for batch in records.iter(batch_size=1000):
        for value in batch[column]:
            turns = [{"content": value, "role": "assistant"}] if isinstance(value, str) else value or []
            for turn in turns:
                if (turn.get("role") or turn.get("from")) in ("assistant", "gpt"):
                    yield turn.get("content") or turn.get("value") or ""
