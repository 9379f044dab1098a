"""`results.json`: what stands in it, and reading one that may be old, edited or damaged.

Its numbers are believed only as far as the evidence beside it bears them out: each is computed again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from silly_llm.core.config import flatten
from silly_llm.core.console.masking import mask
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.changes import is_neutral
from silly_llm.core.registry import parse_component
from silly_llm.evaluation.evidence import EVIDENCE, read_evidence
from silly_llm.evaluation.metrics.statistics import Metric, Units, estimate

VERSION = 2
"""Of the format, `silly_llm_results` in the file: 2 has evidence beside it."""
NUMBER = {"type": ["number", "null"], "minimum": -1e300, "maximum": 1e300}  # JSON's 1e999 is infinite
TEXT, OBJECT = {"type": "string"}, {"type": "object"}
LABEL = {
    "type": "object",
    "required": ["name", "group", "higher_is_better", "percent"],
    "properties": {"name": TEXT, "group": TEXT, "note": TEXT}
    | {"higher_is_better": {"type": ["boolean", "null"]}, "percent": {"type": "boolean"}},
}
METRIC = {
    "type": "object",
    "required": ["value", "low", "high", "n"],
    "properties": {"value": NUMBER, "low": NUMBER, "high": NUMBER, "label": LABEL}
    | {"n": {"type": "integer", "minimum": 0}, "few": {"type": "boolean"}},
}
MODEL = {
    "type": "object",
    "required": ["metrics"],
    "properties": {
        "metrics": {"type": "object", "additionalProperties": METRIC},
        "samples": {"type": "array", "items": OBJECT},
        "details": OBJECT,  # by metric, and of the model: parameters, context, vocabulary, chat, recipe_digest, seed …
        "measured_by": {"type": "object", "additionalProperties": OBJECT},  # by metric: options of its provider
    },
}
SCHEMA = {
    "type": "object",
    "required": ["models", "dataset", "settings", "evidence"],
    "properties": {
        "silly_llm_results": {"const": VERSION},
        "models": {"type": "object", "minProperties": 1, "additionalProperties": MODEL},
        "dataset": {"type": "object", "required": ["digest", "split", "documents_scored", "stories_asked_for"]},
        "settings": OBJECT,  # what changes numbers
        "evidence": {"type": "object", "required": [EVIDENCE], "additionalProperties": TEXT},  # SHA-256 by file
        "notes": {"type": "array", "items": TEXT},
    },
}
"""JSON Schema of what is read of `results.json`; `comparisons` and `best` are computed again."""


def options_of(spec: Any) -> dict[str, Any]:
    """`measured_by`: the type of an evaluation provider with the options that shape its numbers, defaults included, without secrets."""
    parsed = parse_component("evaluation_provider", spec)
    options = asdict(parsed.config) if is_dataclass(parsed.config) else parsed.options  # type: ignore[arg-type]
    shaping = {key: value for key, value in flatten(mask(options)).items() if not is_neutral(key)}
    return json.loads(json.dumps({"type": parsed.name, **shaping}, default=str))


def bearing_out(metrics: Mapping[str, Metric], model: str) -> dict[str, Units]:
    """The units of those metrics that are what their units come to; the others are told, as nothing can be checked by them."""
    units = {name: metric.units for name, metric in metrics.items() if metric.units and math.isfinite(metric.value)}
    odd = [name for name in units if contradiction(metrics[name].as_json(), units[name])]
    if odd:
        print(
            f"{model}: {', '.join(odd)}: not the ratio of their units, so no test compares models by them", flush=True
        )
    return {name: found for name, found in units.items() if name not in odd}


def read_results(path: Path) -> tuple[dict[str, Any], dict[tuple[str, str], Units]]:
    """A `results.json`, with its `path` and `folder` added, and the evidence beside it.

    Raises:
        RecipeError: there is none, it does not fit `SCHEMA`, or its numbers are not those of its evidence.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    except FileNotFoundError:
        raise RecipeError(f"{file}: no such file; `silly-llm evaluate` writes it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(f"{file}: is not JSON ({error})") from None
    check_schema(content, file)
    evidence = read_evidence(file.parent, content)
    check_numbers(content["models"], evidence, file)
    return content | {"path": str(path), "folder": file.parent}, evidence


def refuse(constant: str) -> None:
    """Python's JSON reads NaN and Infinity, which are none."""
    raise ValueError(f"{constant} is no number of JSON")


def check_schema(content: Any, file: Path) -> None:
    """Raise a RecipeError that names the file and the place where results do not fit `SCHEMA`."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    if isinstance(content, dict) and "models" in content and content.get("silly_llm_results") != VERSION:
        raise RecipeError(f"{file}: is of another version of silly-llm and keeps no evidence; evaluate again")
    if error := best_match(Draft202012Validator(SCHEMA).iter_errors(content)):
        place = "".join(f"{key}: " for key in map(str, error.absolute_path))
        raise RecipeError(f"{file}: holds no results of an evaluation: {place}{' '.join(error.message.split())[:160]}")


def check_numbers(models: Mapping[str, Any], evidence: Mapping[tuple[str, str], Units], file: Path) -> None:
    """Raise a RecipeError where the metrics of models and what their evidence comes to are not the same."""
    for model, metric in evidence:
        if metric not in models.get(model, {}).get("metrics", {}):
            raise RecipeError(f"{file}: has lost {metric} of {model}, which {EVIDENCE} has; was it edited?")
    kept = {metric for _, metric in evidence}
    for model, name, numbers in ((m, name, n) for m, found in models.items() for name, n in found["metrics"].items()):
        ends = numbers["low"], numbers["value"], numbers["high"]
        if None not in ends and not ends[0] <= ends[1] <= ends[2]:
            raise RecipeError(f"{file}: {model}: {name}: {ends[1]} is not within its interval {ends[0]} to {ends[2]}")
        if (units := evidence.get((model, name))) is None:
            if name in kept and numbers["n"]:
                raise RecipeError(f"{file}: {model}: {name}: {EVIDENCE} has nothing that it was computed from")
            continue
        if len(set(units.ids)) < len(units):
            raise RecipeError(f"{file}: {model}: {name}: a unit stands twice in {EVIDENCE}")
        if wrong := contradiction(numbers, units):
            raise RecipeError(f"{file}: {model}: {name}: {wrong}; was it edited?")


def contradiction(numbers: Mapping[str, Any], units: Units) -> str | None:
    """Where a metric's numbers are not what its units come to, neither as a share nor as another ratio."""
    keys, found = ("value", "low", "high", "n"), []
    for computed in (estimate(units, share=share).as_json() for share in (False, True)):
        wrong = [key for key in keys if not same(numbers[key], computed[key])]
        if not wrong:
            return None
        found.append((len(wrong), f"{wrong[0]} is {numbers[wrong[0]]}, but its evidence gives {computed[wrong[0]]}"))
    return min(found)[1]


def same(here: float | None, there: float | None) -> bool:
    if here is None or there is None:
        return here is there
    return math.isclose(here, there, rel_tol=1e-9, abs_tol=1e-12)
