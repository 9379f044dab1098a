"""The results of an evaluation on the cards of the models that it measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from silly_llm import __version__
from silly_llm.evaluation.arguments import ModelEntry
from silly_llm.evaluation.metrics.base import FOLLOWING, PREDICTING, TELLING, VARIETY
from silly_llm.evaluation.report.numbers import is_number, labels_of
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
    name = on_hub or "held-out stories"
    split = f", split {dataset['split']}" if dataset.get("split") else ""
    how = ", ".join(
        f"{k.replace('_', ' ')} {settings[k]}" for k in ("window", "temperature", "top_p", "seed") if k in settings
    )
    note = f"Measured by Silly LLM {__version__} on {dataset.get('documents_scored', 0)} documents and {dataset.get('stories_asked_for', 0)} requests ({how})."
    for entry in entries:
        if not Path(entry.path).is_dir() or entry.name not in results["models"]:
            continue
        model, labels = results["models"][entry.name], labels_of({entry.name: results["models"][entry.name]})
        found = [
            Result(metric, label.name, numbers, name + split if label.group in ON_THE_DATASET else label.group,
                   on_hub if label.group in ON_THE_DATASET else None)
            for metric, label in labels.items()
            if is_number((numbers := model["metrics"][metric])["value"]) and math.isfinite(numbers["value"])
        ]  # fmt: skip
        heading = f"Evaluation on {name}{split}"
        if found and (said := add_results(Path(entry.path), dataset.get("digest", "x"), heading, found, note)):
            print(said, flush=True)
