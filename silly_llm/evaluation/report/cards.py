"""The results of an evaluation on the cards of the models that it measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from silly_llm import __version__
from silly_llm.core.pages.plots import is_number
from silly_llm.evaluation.arguments import ModelEntry
from silly_llm.evaluation.metrics.base import FOLLOWING, PREDICTING, TELLING, VARIETY
from silly_llm.evaluation.report.numbers import labels_of
from silly_llm.hub.data_cards import hub_ids
from silly_llm.hub.results import Result, add_results

ON_THE_DATASET = (PREDICTING, TELLING, FOLLOWING, VARIETY)
"""Groups of metrics that are measured on the evaluation's own dataset; all others bring their texts along."""


def update_cards(entries: Iterable[ModelEntry], results: Mapping[str, Any], hub_dataset_id: str | None = None) -> None:
    """Write each local model's numbers on its card, and say in a line for each folder what was done.

    Args:
        hub_dataset_id: where the evaluation's dataset lies on the Hub; default: its name, where that is one dataset of the Hub.
    """
    dataset, settings = results.get("dataset", {}), results.get("settings", {})
    known = hub_ids(dataset.get("name"))
    on_hub = hub_dataset_id or (known[0] if len(known) == 1 else None)
    name = f"{on_hub or 'held-out stories'}, split {dataset.get('split')}"
    how = ", ".join(
        f"{key.replace('_', ' ')} {settings.get(key)}" for key in ("window", "temperature", "top_p", "seed")
    )
    count = f"{dataset.get('documents_scored')} documents and {dataset.get('stories_asked_for')} requests"
    note = f"Measured by Silly LLM {__version__} on {count} ({how})."
    for entry in entries:
        if not entry.path or not Path(entry.path).is_dir():
            continue  # of the Hub, or behind an API
        model, found = results["models"][entry.name], []
        for metric, label in labels_of({entry.name: model}).items():
            numbers, ours = model["metrics"][metric], label.group in ON_THE_DATASET
            if is_number(numbers["value"]):
                on = (name, on_hub) if ours else (label.group, None)
                found.append(Result(metric, label.name, numbers, *on))
        if found and (said := add_results(Path(entry.path), dataset["digest"], f"Evaluation on {name}", found, note)):
            print(said, flush=True)
