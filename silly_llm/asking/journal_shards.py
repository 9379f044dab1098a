"""The part of a journal that is closed: Parquet shards, found by key without holding the texts in memory.

Sixteen bytes a record are in memory (the first half of its key, its shard and row); rows are read by row groups, and the last
few groups stay decoded, since a run that continues asks in the order in which it was answered.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_GROUP = 1_000
GROUPS_IN_MEMORY = 16


class JournalShards:
    """The shards `STEM-00000.parquet`, `STEM-00001.parquet` … beside a journal.

    Args:
        path: the journal's file; its stem names the shards.
    """

    def __init__(self, path: Path) -> None:
        import numpy as np

        self.path = path
        self.tokens = [0, 0]
        """Prompt and completion tokens of all records."""
        self._shards = 0
        self._keys = np.empty(0, np.uint64)
        self._places = np.empty(0, np.uint64)
        self._groups: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        for leftover in path.parent.glob(f".{path.stem}-*.parquet.tmp"):
            leftover.unlink()
        while (shard := self._name(self._shards)).exists():
            self._open(shard)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The record under `key`, or `None`."""
        import numpy as np

        if not len(self._keys):
            return None
        half = np.uint64(int(key[:16], 16))
        at = int(np.searchsorted(self._keys, half))
        while at < len(self._keys) and self._keys[at] == half:
            shard, row = divmod(int(self._places[at]), 1 << 32)
            record = self._row(shard, row)
            if record["key"] == key:
                return record
            at += 1
        return None

    def write(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write a new shard: there whole or not at all, and on disk. `adopt` makes it part of this."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        shard = self._name(self._shards)
        temporary = shard.with_name(f".{shard.name}.tmp")
        schema = _schema()
        rows: list[dict[str, Any]] = []
        repeated = ["finish_reason", "model"]
        with pq.ParquetWriter(
            temporary, schema, compression="zstd", use_dictionary=repeated, write_statistics=False
        ) as writer:
            for record in records:
                extra = record.get("extra")
                rows.append({**record, "extra": json.dumps(extra, ensure_ascii=False) if extra else None})
                if len(rows) == ROWS_PER_GROUP:
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                    rows.clear()
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(shard)
        folder = os.open(shard.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # before the journal lets go of these records
        finally:
            os.close(folder)

    def adopt(self) -> None:
        """Read the index of the shard that `write` made."""
        self._open(self._name(self._shards))

    def _name(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}-{number:05d}.parquet")

    def _open(self, shard: Path) -> None:
        import numpy as np
        import pyarrow.parquet as pq

        index = pq.read_table(shard, columns=["key", "prompt_tokens", "completion_tokens"])
        keys = [int(key[:16], 16) for key in index["key"].to_pylist()]
        for i, name in enumerate(("prompt_tokens", "completion_tokens")):
            self.tokens[i] += sum(index[name].to_pylist())
        places = (self._shards << 32) + np.arange(len(keys), dtype=np.uint64)
        all_keys = np.concatenate([self._keys, np.array(keys, np.uint64)])
        order = np.argsort(all_keys, kind="stable")
        self._keys = all_keys[order]
        self._places = np.concatenate([self._places, places])[order]
        self._shards += 1

    def _row(self, shard: int, row: int) -> dict[str, Any]:
        import pyarrow.parquet as pq

        group, row = divmod(row, ROWS_PER_GROUP)
        table = self._groups.get((shard, group))
        if table is None:
            with pq.ParquetFile(self._name(shard)) as file:
                table = self._groups[shard, group] = file.read_row_group(group)
            if len(self._groups) > GROUPS_IN_MEMORY:
                self._groups.popitem(last=False)
        self._groups.move_to_end((shard, group))
        record = {name: table[name][row].as_py() for name in table.column_names}
        record["extra"] = json.loads(record["extra"]) if record["extra"] else {}
        return record


def _schema() -> pa.Schema:
    import pyarrow as pa

    strings = ("key", "text", "finish_reason", "model", "extra")
    numbers = ("prompt_tokens", "completion_tokens")
    return pa.schema([*((s, pa.string()) for s in strings), *((n, pa.int64()) for n in numbers)])
