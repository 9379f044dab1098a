"""Beginnings of stories for a model to continue: our own fifty, the paper's, or a user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.data.filters.decontamination import read_prompts
from silly_llm.data.sources import columns_of, load_records

OURS = "beginnings"
"""Names the fifty that come with the package."""
FOLDER = Path(__file__).parent
COLUMNS = ("prompt", "beginning", "text")
"""Where rows have their beginning: the first of these that there is."""


def beginnings(source: Any = OURS) -> list[str]:
    """The beginnings that `source` means, in order, without space at their ends (it would be a token of its own).

    Args:
        source: `beginnings` (ours); a YAML list of texts, as the paper's are published; a text file with one a line; or any
            dataset (path, Hub id, mapping) with a column `prompt`, `beginning` or `text`.

    Raises:
        RecipeError: there is no such source, it has no beginnings, one of them is blank, or one stands twice.
    """
    name = str(FOLDER / f"{OURS}.yaml") if source == OURS else source
    if isinstance(name, str) and name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise RecipeError(f"beginnings: {name}: no such file")
        texts: list[Any] = read_prompts(Path(name))
    else:
        lines = isinstance(name, str) and name.endswith(".txt")
        rows: Any = {"path": name, "separator": "\\n"} if lines else name
        records = load_records(rows, split=("test", "validation", "train"))
        column = next((c for c in COLUMNS if c in columns_of(records)), None)
        if column is None:
            raise RecipeError(f"beginnings: {name}: expected a column {' or '.join(COLUMNS)}")
        texts = list(records[column])
    found: dict[str, int] = {}
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str) or not text.strip():
            raise RecipeError(f"beginnings: {name}: number {number} is blank")
        if (first := found.setdefault(text.strip(), number)) != number:
            raise RecipeError(f"beginnings: {name}: number {number} is the same as number {first}")
    if not found:
        raise RecipeError(f"beginnings: {name}: holds none")
    return list(found)
