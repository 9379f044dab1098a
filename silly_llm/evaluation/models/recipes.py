"""Which recipe trained a model, whatever its seed and wherever it lies: seeds of one recipe are what tells recipes apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from silly_llm.core.config import flatten
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.changes import is_neutral
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.core.recipe_files import map_texts, read_file

SEEDS = ("seed", "data_seed")


def recipe_of(folder: str | None) -> dict[str, Any]:
    """`recipe_digest` and `seed` of a model folder as details of a model; `None` where it has no recipe.

    The digest leaves out seeds, names, and keys that change nothing. Datasets count by their content (provenance.json), a model
    that training went on from by the recipe of its own.
    """
    if folder is None:  # behind an API
        return {"recipe_digest": None, "seed": None}
    path = Path(folder)
    try:
        recipe = read_file(path / "recipe.yaml")
        inputs = json.loads((path / "provenance.json").read_text(encoding="utf-8"))["inputs"]
    except (OSError, ValueError, KeyError, TypeError, RecipeError):
        return {"recipe_digest": None, "seed": None}

    def content(text: str) -> str:
        base = recipe_of(text)["recipe_digest"] if text in inputs and Path(text, "config.json").is_file() else None
        return base or inputs.get(text, text)

    flat = flatten(map_texts(recipe, content))
    shaping = {key: value for key, value in flat.items() if key not in SEEDS and not is_neutral(key)}
    return {"recipe_digest": fingerprint(shaping)[:16], "seed": recipe.get("seed")}
