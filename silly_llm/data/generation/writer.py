"""From answers to a dataset: rows, filters, splits, statistics, Parquet; in a process of its own, behind the asking.

Two steps. `judge` makes the row of an answer and asks the filters that look at one story alone; it may come in any order, and
says whether the story should be asked for again. `commit` takes all rows of a story, in the order of the stories: the
stateful filters (duplicates) decide, and the rows go to `train`, `validation` or `rejected`. A shard's writer keeps the
judged rows as they are; merging the shards commits them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.data.filters.base import StoryFilter, reasons_against
from silly_llm.data.generation.rows import Teacher, ValidationShare, row_of, verdict_on
from silly_llm.text.languages import ENGLISH, Language

if TYPE_CHECKING:
    from silly_llm.data.dataset_writer import DatasetWriter
    from silly_llm.data.generation.statistics import StoryStatistics

JUDGED = "judged"
"""The split of a shard: rows that the stateful filters have not seen."""
Filters = Sequence[tuple[str, StoryFilter]]


class StoryWriter:
    """Writes the rows of a dataset folder. A context manager: leaving it by an error leaves no dataset.

    Args:
        folder: the dataset folder.
        filters: names and filters.
        teacher: who answers.
        validation_fraction: share of the kept stories that becomes `validation`.
        shard: keep judged rows in the split `judged`, for a merge.
        language: of the texts, for statistics.
    """

    def __init__(
        self,
        folder: str | Path,
        filters: Filters,
        teacher: Teacher,
        *,
        validation_fraction: float = 0.0,
        shard: bool = False,
        language: Language = ENGLISH,
    ) -> None:
        from silly_llm.data.dataset_writer import DatasetWriter
        from silly_llm.data.generation.rows import schema
        from silly_llm.data.generation.statistics import StoryStatistics

        self.story_filters = [(name, f) for name, f in filters if not f.stateful]
        self.stateful_filters = [(name, f) for name, f in filters if f.stateful]
        self.teacher = teacher
        self.shard = shard
        self.statistics: StoryStatistics = StoryStatistics(language)
        self._validation = ValidationShare(validation_fraction)
        self._writer: DatasetWriter = DatasetWriter(folder, schema())
        self._judged: dict[int, list[dict[str, Any]]] = {}

    def __enter__(self) -> StoryWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    def judge(self, index: int, attempt: int, prompt: Any, request: Any, answer: Any) -> dict[str, Any]:
        """The row of an answer, with what the filters say of the story by itself; it stands if `rejected_by` is empty."""
        row = row_of(index, attempt, prompt, request, answer, self.teacher)
        verdict = verdict_on(row, answer, self.story_filters)
        row["rejected_by"], row["duplicate_of"] = verdict.reasons, verdict.duplicate_of
        return row

    def hold(self, row: dict[str, Any]) -> None:
        """Keep a judged row for `commit`."""
        self._judged.setdefault(row["index"], []).append(row)

    def commit(self, index: int) -> None:
        """Write the judged rows of story `index`; call it in the order of the stories. None is fine (a failed request)."""
        self.write(self._judged.pop(index, ()))

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write judged rows."""
        for judged in rows:
            row = dict(judged)
            split = JUDGED
            if not self.shard:
                if not row["rejected_by"]:
                    verdict = reasons_against(row, self.stateful_filters)
                    row["rejected_by"], row["duplicate_of"] = verdict.reasons, verdict.duplicate_of
                split = "rejected" if row["rejected_by"] else "validation" if self._validation.next() else "train"
            self._writer.write(split, row)
            self.statistics.add(split, row)

    def counts(self) -> tuple[int, int]:
        """How many rows were kept (or stand so far, in a shard) and rejected."""
        rejected = self.statistics.rejected
        return self.statistics.splits.total() - rejected, rejected
