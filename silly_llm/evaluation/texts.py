"""The texts that an evaluation reads: a split of a dataset without its blank rows, or a random sample of it."""

from __future__ import annotations

import random
from typing import Any

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.data.sources import EVALUATION_SPLITS, DataProvider, require_text


def records_of(source: DataProvider, split: str | None, column: str) -> tuple[Any, str]:
    """The records of a split, which have texts in `column`, and the split's name.

    Args:
        split: Default: validation, else test, else the first.

    Raises:
        RecipeError: there is no such split or column, or the column holds something else than text.
    """
    splits = source.splits()
    if split and split not in splits:
        raise RecipeError(f"dataset: no split {split!r}{suggestion(split, splits)}")
    split = split or next((s for s in EVALUATION_SPLITS if s in splits), splits[0])
    records = source.load(split)
    require_text(records, column)
    return records, split


def not_blank(records: Any, column: str) -> Any:
    """The records that have a text; those left out are counted and told. A RecipeError where none is left."""
    written = [row for row, text in enumerate(records[column]) if text and not text.isspace()]
    if not written:
        raise RecipeError(f"dataset: contains no stories: all {len(records):,} rows of {column!r} are blank")
    if len(written) == len(records):
        return records
    blank = len(records) - len(written)
    print(f"dataset: {blank:,} of {len(records):,} rows are blank, and left out", flush=True)
    return records.select(written)


def draw(total: int, count: int | None, seed: str) -> list[int]:
    """`count` of `total` rows by a seed, in order of their turn: a larger count adds rows; all, in order, when there are not more."""
    if count is None or count >= total:
        return list(range(total))
    return sorted(range(total), key=lambda row: random.Random(f"{seed} {row}").random())[:count]
