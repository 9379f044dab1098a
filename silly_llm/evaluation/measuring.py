"""All metrics of one model, kept as they come, so that an interrupted evaluation picks up where it stopped."""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from silly_llm.core.config import Recipe
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.files import write_text
from silly_llm.core.folders.output import PRIVATE
from silly_llm.core.folders.provenance import code_version, fingerprint
from silly_llm.core.registry import components
from silly_llm.evaluation.arguments import EvaluationArguments, ModelEntry
from silly_llm.evaluation.evidence import units_as_json
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider, Metric
from silly_llm.evaluation.models.base import NotMeasured
from silly_llm.evaluation.models.recipes import recipe_of
from silly_llm.evaluation.report.report import read_json
from silly_llm.evaluation.results import bearing_out, options_of
from silly_llm.providers.base import LLMProvider

PARTIAL = Path(PRIVATE, "partial")
"""Where the results of an interrupted evaluation wait."""


def evaluate_model(
    entry: ModelEntry,
    providers: dict[str, EvaluationProvider],
    data: EvaluationData,
    recipe: Recipe[EvaluationArguments],
    served: LLMProvider | None = None,
) -> dict[str, Any]:
    """All metrics of one model, as `results.json` has them; those that an interrupted run finished are not measured again."""
    args, folder = recipe.args, Path(recipe.args.output_dir) / PARTIAL
    key = fingerprint([asdict(entry), recipe.values, code_version()])
    parts, model = [], None
    measured_by: dict[str, Any] = {}
    for name, provider in providers.items():
        file = folder / f"{fingerprint([key, name])[:24]}.json"
        part = read_json(file)
        if part is None:
            model = model or load(entry, args, served)
            part = measure(provider, model, data)
            write_text(file, json.dumps(part))
        if twice := measured_by.keys() & part["metrics"]:
            raise RecipeError(f"metrics: two entries give {min(twice)!r}; leave one out, or give it its own name")
        parts.append(part)
        measured_by |= dict.fromkeys(part["metrics"], options_of(json.loads(name)))
    del model  # one at a time in memory
    gc.collect()
    together = {
        kind: {name: value for part in parts for name, value in part[kind].items()}
        for kind in ("metrics", "details", "units", "not_measured")
    }
    for metric, why in together["not_measured"].items():
        print(f"{entry.name}: {metric} not measured: {why}", flush=True)
    together["details"] |= recipe_of(entry.path or None) | {"group": entry.group}
    return together | {
        "samples": [sample for part in parts for sample in part["samples"]],
        "measured_by": measured_by,
        "notes": [note for part in parts for note in part["notes"]],
        "generations": list({fingerprint(row): row for part in parts for row in part["generations"]}.values()),
    }


def load(entry: ModelEntry, args: EvaluationArguments, served: LLMProvider | None) -> Any:
    """The model of an entry: an `EvaluatedModel`."""
    if served is not None:
        from silly_llm.evaluation.models.served import ServedModel

        name = re.sub(r"[^\w.-]", "_", entry.name)
        return ServedModel(served, entry.name, Path(args.output_dir, f"journal-model-{name}.sqlite"), entry.limits)
    from silly_llm.evaluation.models.causal import LanguageModel

    how: dict[str, Any] = {"dtype": args.dtype, "device": args.device, "context": args.context}
    model = LanguageModel.load(entry.path, name=entry.name, revision=entry.revision, gguf_file=entry.gguf_file, **how)
    model.path = entry.path
    return model


def component_name(provider: EvaluationProvider) -> str:
    """What a recipe calls a provider."""
    return next(
        (c.name for c in components("evaluation_provider") if c.cls is type(provider)), type(provider).__name__
    )


def measure(provider: EvaluationProvider, model: Any, data: EvaluationData) -> dict[str, Any]:
    """One provider's part of a model's results; what is not finite becomes null, and what has no value is told with the reason."""
    metrics, samples, notes, lacking = {}, [], [], {}
    try:
        metrics = provider.evaluate(model, data)
        samples, notes = provider.samples(model, data), provider.notes()
    except NotMeasured as error:
        lacking[component_name(provider)] = str(error)
    lacking |= {
        name: str(metric.details.get("not_measured") or f"it has no value (n = {metric.n})")
        for name, metric in metrics.items()
        if not math.isfinite(metric.value)
    }
    if not metrics and not lacking:
        lacking[component_name(provider)] = "there is nothing to measure it on"
    part: dict[str, Any] = {
        **as_json({name: metric for name, metric in metrics.items() if name not in lacking}, model.name),
        "notes": notes,
        "samples": samples,
        "generations": model.generations,
        "not_measured": lacking,
    }
    part["details"] |= {
        "parameters": model.parameters,
        "context": model.context,
        "vocabulary": model.vocabulary,
        "chat": model.is_chat,
    }
    return json.loads(json.dumps(part), parse_constant=lambda name: None)


def as_json(metrics: Mapping[str, Metric], model: str) -> dict[str, Any]:
    """Metrics of a model as results and evidence have them."""
    return {
        "metrics": {name: metric.as_json() for name, metric in metrics.items()},
        "units": {name: units_as_json(units) for name, units in bearing_out(metrics, model).items()},
        "details": {name: metric.details for name, metric in metrics.items() if metric.details},
    }
