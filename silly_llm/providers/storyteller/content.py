"""The storyteller's material: `stories.yaml`, which anybody can extend; the comments there say what each key is.

It is read strictly: every plot needs the keys of the first one, with values of the same type, and so does every thread: the sentences
that take a word through a story, by the kind of the word.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from silly_llm.core.errors import RecipeError

FILE = Path(__file__).with_name("stories.yaml")
OPTIONAL = {"meeting": (), "child_only": False, "middle_always": False}
Plot = SimpleNamespace


def _alike(items: dict[str, dict[str, Any]]) -> dict[str, SimpleNamespace]:
    """Each item as a namespace, if its keys and types are those of the first.

    Raises:
        RecipeError: naming the item and the keys that are missing, unknown or of another type.
    """
    first = next(iter(items.values()))
    for name, item in items.items():
        keys = (first.keys() | item.keys()) - OPTIONAL.keys()
        if wrong := sorted(key for key in keys if type(item.get(key)) is not type(first.get(key))):
            raise RecipeError(f"{FILE.name}: {name}: missing, unknown or of another type: {', '.join(wrong)}")
    return {name: SimpleNamespace(**(OPTIONAL | item)) for name, item in items.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


_READ = _frozen(yaml.load(FILE.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
PLOTS = tuple(_alike({plot["name"]: plot for plot in _READ["plots"]}).values())
THREADS = {pos: _alike({"picture": _READ["picture"], **_READ[pos]}) for pos in ("verbs", "adjectives")}
TOLD = SimpleNamespace(**_READ)
"""All else in `stories.yaml`: tuples of texts."""
