"""The journal: every paid answer, recorded before anything else happens to it.

One SQLite file in the output folder, keyed by a fingerprint of the request. An answer is committed before it is passed on,
together with those that arrive in the same turn of the event loop, so `kill -9` loses nothing that was passed on; a thread
syncs commits to disk within a second. Failures are never stored. Memory holds SQLite's page cache, never the texts.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RunError
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider

JOURNAL = "journal.sqlite"
DAMAGED = "put a copy in its place, or move it away to ask for its answers again"
SYNC_SECONDS = 1.0
"""Seconds after which a commit is synced to disk."""
COLUMNS = ("key", "text", "finish_reason", "prompt_tokens", "completion_tokens", "model", "extra")
GET = f"SELECT {', '.join(COLUMNS[1:])} FROM answers WHERE key = ?"
PUT = f"INSERT OR REPLACE INTO answers VALUES ({', '.join('?' * len(COLUMNS))})"
SETTINGS = (
    "locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=10000", "cache_size=-64000",
)  # fmt: skip
"""One process at a time, which also works without shared memory (network file systems); pages of 4 KiB, a cache of 64 MB."""


def request_key(provider: LLMProvider, request: ChatRequest) -> str:
    """The fingerprint of a request: model, the provider's own generation parameters, messages, sampling and seed.

    If the provider reads `fields` instead of English (`uses_fields`), they are included. Addresses, tokens and concurrency
    are not: the same request to another server of the same model has the same key.
    """
    asked: dict[str, Any] = {
        "model": provider.model,
        "parameters": dict(provider.parameters),
        "messages": [dict(message) for message in request.messages],
        **{name: getattr(request, name) for name in ("seed", "max_tokens", "temperature", "top_p")},
    }
    if request.schema is not None:
        asked["schema"] = dict(request.schema)
    if provider.uses_fields:
        asked["fields"] = dict(request.fields)
    return fingerprint(asked)[:32]


class Journal:
    """Answers on disk, by key. A context manager; the caller holds the lock of the folder.

    Args:
        path: the file; created (with its folder) if missing. Journals of earlier versions next to it, JSON lines
            (`STEM.jsonl`) and Parquet shards (`STEM-00000.parquet`), are imported.

    Raises:
        RunError: from any method, if the disk is full or gone, or the file is damaged. Earlier commits are kept.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._one_line = _OneLine(self.path)
        self._fsync = ThreadPoolExecutor(1, "journal")
        self._synced, self._syncing = time.monotonic(), Future[None]()
        self._syncing.set_result(None)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=1.0)
            for setting in SETTINGS:
                self._db.execute(f"PRAGMA {setting}")
            self._db.execute(f"CREATE TABLE IF NOT EXISTS answers ({', '.join(COLUMNS)}, UNIQUE (key))")
            len(self)  # reads the index and creates the write-ahead log
            self._log = os.open(f"{self.path}-wal", os.O_RDWR)
        except (OSError, sqlite3.Error) as error:
            way_out = f"; {DAMAGED}" if type(error) is sqlite3.DatabaseError else ""
            raise RunError(f"{self.path}: cannot be opened ({error}){way_out}") from None
        self._take_over_older()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM answers").fetchone()[0]

    def tokens(self) -> tuple[int, int]:
        """Prompt and completion tokens of all answers, which are paid for; uncounted ones as in `Budget.spend`. Reads the whole file."""
        return self._db.execute(
            "SELECT coalesce(sum(prompt_tokens), 0), coalesce(sum(CASE WHEN prompt_tokens + completion_tokens "
            "THEN completion_tokens ELSE length(text) / 2 END), 0) FROM answers"
        ).fetchone()

    def get(self, key: str) -> Completion | None:
        """The answer stored under `key`, or `None`."""
        with self._one_line:
            row = self._db.execute(GET, (key,)).fetchone()
        return row and Completion(**dict(zip(COLUMNS[1:-1], row, strict=False)), extra=json.loads(row[-1]))

    def append(self, key: str, completion: Completion) -> None:
        """Append an answer; `flush` or `sync` makes it durable."""
        self._insert(vars(completion) | {"key": key, "extra": json.dumps(dict(completion.extra))})

    async def flush(self) -> None:
        """Commit appended answers, together with others that arrive in this turn of the event loop; they survive this process."""
        await asyncio.sleep(0)
        self._commit()
        if self._syncing.done() and time.monotonic() - self._synced > SYNC_SECONDS:
            self._synced = time.monotonic()
            self._syncing = self._fsync.submit(os.fsync, self._log)

    def sync(self) -> None:
        """Sync appended answers to disk, so that they survive power loss."""
        self._commit()
        with self._one_line:
            self._syncing.result()
            os.fsync(self._log)

    def close(self) -> None:
        if self._log < 0:
            return
        try:
            if self._one_line.failure is None:
                self.sync()
        finally:
            empty = self._one_line.failure is None and not len(self)
            self._fsync.shutdown()
            os.close(self._log)
            self._log = -1
            self._db.close()
            if empty:
                self.path.unlink()

    def _insert(self, record: Mapping[str, Any]) -> None:
        row = [record[name] for name in COLUMNS]
        row[1] = row[1].encode(errors="replace").decode()  # lone surrogates
        with self._one_line:
            self._db.execute(PUT, row)

    def _commit(self) -> None:
        with self._one_line:
            self._db.commit()

    def _take_over_older(self) -> None:
        """Import the answers of earlier versions; their files are deleted once the answers are safe."""
        lines = self.path.with_suffix(".jsonl")
        shards = sorted(self.path.parent.glob(f"{self.path.stem}-[0-9][0-9][0-9][0-9][0-9].parquet"))
        for shard in shards:
            import pyarrow.parquet as pq

            try:
                for batch in pq.ParquetFile(shard.absolute()).iter_batches(1_000):
                    for record in batch.to_pylist():
                        self._insert(record | {"extra": record["extra"] or "{}"})
            except (ValueError, KeyError) as error:
                raise RunError(f"{shard}: cannot be read ({error}); {DAMAGED}") from None
        damaged = 0
        for line in lines.open("rb") if lines.exists() else ():
            try:
                record = json.loads(line)
                self._insert(record | {"extra": json.dumps(record.get("extra") or {})})
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):  # it is requested again
                damaged += line.endswith(b"\n")  # otherwise torn by a crash
        self.sync()
        if damaged:
            kept = lines.rename(f"{lines}.damaged-{time.time_ns()}")
            print(f"{kept}: lines without a readable answer: {damaged}; these are requested again", file=sys.stderr)
        lines.unlink(missing_ok=True)
        for shard in shards:
            shard.unlink()


class _OneLine:
    """Report errors of SQLite and the system as one line; after the first, nothing that was appended with it counts as recorded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: RunError | None = None

    def __enter__(self) -> None:
        if self.failure is not None:
            raise self.failure

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, sqlite3.Error)):
            kept = "answers recorded so far are kept, and the same command continues"
            self.failure = RunError(f"{self.path}: cannot be read or written ({error}); {kept}")
            raise self.failure from None
