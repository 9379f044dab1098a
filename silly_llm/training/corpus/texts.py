"""The texts of a dataset's column, with one batch of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from silly_llm.data.sources import require_text

BATCH = 1_000
"""Documents in memory at once."""


def is_blank(text: str | None) -> bool:
    """Whether there is nothing to learn from a text: it is null, or white space alone."""
    return not text or text.isspace()


def texts_of(dataset: Any, column: str) -> Iterator[str]:
    """The texts that are not blank, one by one; a RecipeError where there is no such column, or it holds something else than texts."""
    require_text(dataset, column)
    for batch in dataset.select_columns([column]).iter(batch_size=BATCH):
        yield from (text for text in batch[column] if not is_blank(text))


def arrow_batches(dataset: Any, column: str) -> Iterator[Any]:
    """The texts, those that are null as empty ones: Arrow arrays of large strings."""
    for table in dataset.select_columns([column]).with_format("arrow").iter(batch_size=BATCH):
        yield pc.fill_null(table.column(0).cast(pa.large_string()), "").combine_chunks()


def byte_lengths(dataset: Any, column: str) -> Any:
    """UTF-8 bytes of each text, 0 where it is null: int64 [texts]."""
    lengths = [pc.binary_length(batch).to_numpy() for batch in arrow_batches(dataset, column)]
    return np.concatenate([np.zeros(0, np.int64), *lengths])
