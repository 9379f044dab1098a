"""Writes dataset folders: Parquet shards under `data/` and a card, as the Hub and `datasets` read them."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.folders.files import write_text
from silly_llm.core.folders.manifest import SHARDS

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_PER_GROUP = 2_000
ROWS_PER_SHARD = 500_000


class DatasetWriter:
    """Streams rows of several splits into `folder/data/SPLIT-00000-of-00001.parquet`.

    Shards are written next to `data/` and moved into place only when all is written (`close`, or leaving the `with`
    block without an error), so a reader never sees half a dataset. The same rows give the same bytes.

    Args:
        folder: the dataset folder; created if missing.
        schema: the columns, the same for every split.
        rows_per_shard: number of rows after which a new shard begins. Memory holds one row group per split.
    """

    def __init__(self, folder: str | Path, schema: pa.Schema, *, rows_per_shard: int = ROWS_PER_SHARD) -> None:
        self.folder, self.schema, self.rows_per_shard = Path(folder), schema, rows_per_shard
        self.counts: Counter[str] = Counter()
        """Rows of each split."""
        self.temporary = self.folder.absolute() / ".data-being-written"  # pyarrow has its own idea of `~`
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(parents=True)
        self._buffers: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._shards: defaultdict[str, list[Path]] = defaultdict(list)

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close() if kind is None else self.abandon()

    def write(self, split: str, row: Mapping[str, Any]) -> None:
        """Append a row (a mapping with the schema's columns; missing ones are null) to a split."""
        buffer = self._buffers[split]
        buffer.append(row)
        self.counts[split] += 1
        if len(buffer) >= min(ROWS_PER_GROUP, self.rows_per_shard):
            self._flush(split)

    def close(self) -> None:
        """Finish the shards and move them into place. A split without rows has no file."""
        for split in self._buffers:
            self._flush(split)
        for writer in self._writers.values():
            writer.close()
        data = self.folder / "data"  # it may contain other files: only shards are ours
        data.mkdir(exist_ok=True)
        for old in self.folder.glob(SHARDS):
            old.unlink()
        for split, shards in self._shards.items():
            for number, shard in enumerate(shards):
                shard.rename(data / f"{split}-{number:05d}-of-{len(shards):05d}.parquet")
        self.temporary.rmdir()

    def abandon(self) -> None:
        """Remove everything that was written."""
        for writer in self._writers.values():
            with suppress(OSError):  # the disk is full: report the first error
                writer.close()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _flush(self, split: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = self._buffers[split]
        if not rows:
            return
        if split not in self._writers:
            shards = self._shards[split]
            shards.append(self.temporary / f"{split}-{len(shards):05d}.parquet")
            self._writers[split] = pq.ParquetWriter(shards[-1], self.schema, compression="zstd")
        self._writers[split].write_table(pa.Table.from_pylist(list(rows), schema=self.schema))
        rows.clear()
        if self.counts[split] % self.rows_per_shard == 0:
            self._writers.pop(split).close()


def write_dataset_folder(
    folder: str | Path, splits: Mapping[str, Iterable[Mapping[str, Any]]], schema: pa.Schema, card: str | None = None
) -> dict[str, int]:
    """Write a whole dataset folder from rows by split; returns the number of rows of each split."""
    with DatasetWriter(folder, schema) as writer:
        for split, rows in splits.items():
            for row in rows:
                writer.write(split, row)
    if card is not None:
        write_text(Path(folder) / "README.md", card)
    return writer.counts
