"""From answers to a dataset: rows, filters, splits, statistics, Parquet.

There are two steps. `judge` makes the row of an answer and applies the filters that look at one story alone; it may be called in any
order, and says whether the story should be requested again. `commit` takes all rows of a story, in the order of the stories: the
stateful filters (duplicates) decide, and the rows go to `train`, `validation` or `rejected`. A shard's writer stores the
judged rows unchanged; merging the shards commits them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.data.filters.base import reasons_against
from silly_llm.data.generation.rows import row_of, schema, validates, verdict_on

if TYPE_CHECKING:
    from silly_llm.data.generation.components import GenerationComponents
    from silly_llm.data.generation.statistics import StoryStatistics
    from silly_llm.providers.base import Completion


class StoryWriter:
    """Writes the rows of a dataset folder. A context manager: leaving it with an error leaves no dataset.

    Args:
        folder: the dataset folder.
        parts: the recipe's components, built.
    """

    def __init__(self, folder: str | Path, parts: GenerationComponents) -> None:
        from silly_llm.data.dataset_writer import DatasetWriter
        from silly_llm.data.generation.statistics import StoryStatistics

        self.parts = parts
        self.story_filters = [(name, f) for name, f in parts.filters if not f.stateful]
        self.stateful_filters = [(name, f) for name, f in parts.filters if f.stateful]
        self.statistics = StoryStatistics(parts.language)
        self._kept = 0
        self.dataset = DatasetWriter(folder, schema())
        self._judged: dict[int, list[dict[str, Any]]] = {}

    def __enter__(self) -> StoryWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.dataset.abandon()

    def finish(self) -> StoryStatistics:
        """Move the dataset into place; returns its statistics."""
        self.dataset.close()
        return self.statistics

    def judge(self, index: int, attempt: int, prompt: Any, request: Any, answer: Completion) -> dict[str, Any]:
        """The row of an answer, with the verdict of the filters that look at one story; it passes if `rejected_by` is empty."""
        row = row_of(index, attempt, prompt, request, answer, self.parts)
        row["rejected_by"], row["duplicate_of"] = verdict_on(row, answer, self.story_filters)
        return row

    def hold(self, row: dict[str, Any]) -> None:
        """Keep a judged row for `commit`."""
        self._judged.setdefault(row["index"], []).append(row)

    def judge_and_hold(self, *story: Any) -> bool:
        """Both; returns whether the story passes."""
        row = self.judge(*story)
        self.hold(row)
        return not row["rejected_by"]

    def commit(self, index: int) -> None:
        """Write the judged rows of story `index`; call it in the order of the stories. There may be none (a failed request)."""
        self.write(self._judged.pop(index, ()))

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write judged rows."""
        for judged in rows:
            row = dict(judged)
            split = "judged"  # for a shard: the stateful filters have not seen it
            if self.parts.args.shard_index is None:
                if not row["rejected_by"]:
                    row["rejected_by"], row["duplicate_of"] = reasons_against(row, self.stateful_filters)
                split = "rejected"
                if not row["rejected_by"]:
                    self._kept += 1
                    split = "validation" if validates(self._kept, self.parts.args.validation_fraction) else "train"
            self.dataset.write(split, row)
            self.statistics.add(split, row)

    def counts(self) -> tuple[int, int]:
        """The numbers of rows kept (or passed so far, in a shard) and rejected."""
        rejected = self.statistics.rejected
        return self.statistics.splits.total() - rejected, rejected
