"""The journal: every answer that was paid for, once, before anything else is done with it.

An append-only file of JSON lines next to the output, one record per answered request, keyed by a fingerprint of what
was asked. A record is written the moment its answer arrives (`kill -9` loses nothing that was written) and reaches
the disk (fsync, in a thread) within a second. After a crash the last record may be torn: it is cut off and asked again.
Failures are never written. Every `rows_per_shard` records the file becomes a Parquet shard beside it and begins anew, so
memory and the time to open it stay small: it holds keys, never texts.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from silly_llm.asking.journal_shards import JournalShards
from silly_llm.core.errors import RunError
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider

KEY_DIGITS = 32
"""Hex digits of a key: 128 bits of SHA-256."""
ROWS_PER_SHARD = 20_000


def request_key(provider: LLMProvider, request: ChatRequest) -> str:
    """The fingerprint of what is asked: model, the provider's own generation parameters, messages, sampling and seed.

    Where the provider reads `fields` rather than English (`uses_fields`) they belong to the question too. Addresses,
    tokens and concurrency do not: the same question to another server of the same model is the same question.
    """
    asked: dict[str, Any] = {
        "model": provider.model,
        "parameters": dict(provider.parameters),
        "messages": [dict(message) for message in request.messages],
        "seed": request.seed,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
    }
    if request.schema is not None:
        asked["schema"] = dict(request.schema)
    if provider.uses_fields:
        asked["fields"] = dict(request.fields)
    return fingerprint(asked)[:KEY_DIGITS]


class Journal:
    """Answers on disk, by key. A context manager; the caller holds the lock of the folder.

    Args:
        path: the file; made (with its folder) if missing, continued if there.
        sync_every: records after which what was appended is sent to the disk.
        sync_seconds: seconds after which it is sent earlier.
        rows_per_shard: records after which the file becomes a Parquet shard.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        sync_every: int = 256,
        sync_seconds: float = 1.0,
        rows_per_shard: int = ROWS_PER_SHARD,
    ) -> None:
        self.path = Path(path)
        self.sync_every = sync_every
        self.sync_seconds = sync_seconds
        self.rows_per_shard = rows_per_shard
        self.damaged = 0
        """Records that could not be read back (torn by a crash); their requests are asked again."""
        self.tokens = [0, 0]
        """Prompt and completion tokens of all records: what was paid for."""
        self._offsets: dict[str, int] = {}
        self._unsynced = 0
        self._synced = time.monotonic()
        self._disk = ThreadPoolExecutor(1, "journal")
        self._syncing: Future[None] | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be opened ({error.strerror})") from None
        self._shards = JournalShards(self.path)
        self._end = self._read_index()
        self.tokens = [a + b for a, b in zip(self.tokens, self._shards.tokens, strict=True)]

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._offsets) + len(self._shards)

    def __contains__(self, key: str) -> bool:
        return key in self._offsets or key in self._shards

    def get(self, key: str) -> Completion | None:
        """The answer recorded under `key`, or `None`."""
        offset = self._offsets.get(key)
        record = self._shards.get(key) if offset is None else json.loads(self._line_at(offset))
        return None if record is None else _completion(record)

    def append(self, key: str, completion: Completion) -> None:
        """Write an answer. It survives the death of this process at once, and that of the machine after `sync`.

        Raises:
            RunError: the disk is full or gone; what was recorded before stays.
        """
        record = {
            "key": key,
            "text": completion.text,
            "finish_reason": completion.finish_reason,
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": completion.completion_tokens,
            "model": completion.model,
        }
        if completion.extra:
            record["extra"] = dict(completion.extra)
        line = _line(record)
        self._write(line)
        self._offsets[key] = self._end
        self._end += len(line)
        self._unsynced += 1
        self.tokens[0] += completion.prompt_tokens
        self.tokens[1] += completion.completion_tokens
        if self._unsynced >= self.sync_every or time.monotonic() - self._synced > self.sync_seconds:
            self._sync_behind()
        if len(self._offsets) >= self.rows_per_shard:
            self._begin_anew()

    def sync(self) -> None:
        """Make what was appended survive power loss; returns when it does."""
        try:
            if self._syncing is not None:
                self._syncing.result()
            if self._unsynced:
                os.fsync(self._file)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written ({error.strerror})") from None
        self._syncing, self._unsynced, self._synced = None, 0, time.monotonic()

    def close(self) -> None:
        if self._file >= 0:
            try:
                self.sync()
            finally:
                if (
                    not self._end
                ):  # nothing was asked, or all of it is in shards; readers of folders take it for empty data
                    self.path.unlink(missing_ok=True)
                os.close(self._file)
                self._file = -1
                self._disk.shutdown()

    def _sync_behind(self) -> None:
        """Send what was appended to the disk without waiting for it."""
        if self._syncing is not None:
            if not self._syncing.done():
                return
            try:
                self._syncing.result()
            except OSError as error:
                raise RunError(f"{self.path}: cannot be written ({error.strerror})") from None
        self._unsynced, self._synced = 0, time.monotonic()
        self._syncing = self._disk.submit(os.fsync, self._file)

    def _begin_anew(self) -> None:
        """Make a Parquet shard of the file, and begin it anew. Dying in between leaves both, which does no harm."""
        self.sync()
        try:
            self._shards.write(self._records())
            os.ftruncate(self._file, 0)
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be made a Parquet shard ({error.strerror}); answers recorded so far are kept, "
                "and the same command continues"
            ) from None
        self._shards.adopt()
        self._offsets.clear()
        self._end = 0

    def _records(self) -> Iterator[Mapping[str, Any]]:
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                record = _record(line)
                if record is not None and record["key"] in self._offsets:
                    yield record

    def _write(self, line: bytes) -> None:
        """Write a whole line at the end, or leave the file as it was."""
        written = 0
        try:
            while written < len(line):
                written += os.pwrite(self._file, line[written:], self._end + written)
        except OSError as error:
            os.ftruncate(self._file, self._end)
            raise RunError(
                f"{self.path}: cannot be written ({error.strerror}); answers recorded so far are kept, "
                "and the same command continues"
            ) from None

    def _read_index(self) -> int:
        """Learn the offset of every whole record; returns where the next one goes, a torn tail cut off."""
        position = 0
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                whole = line.endswith(b"\n")
                record = _record(line) if whole else None
                if record is None:
                    self.damaged += 1
                elif record["key"] not in self._shards:  # else it died between making a shard and beginning anew
                    self._offsets[record["key"]] = position
                    self.tokens[0] += record["prompt_tokens"]
                    self.tokens[1] += record["completion_tokens"]
                if not whole:
                    break
                position += len(line)
        os.ftruncate(self._file, position)
        return position

    def _line_at(self, offset: int) -> bytes:
        parts: list[bytes] = []
        while True:
            block = os.pread(self._file, 8192, offset)
            end = block.find(b"\n")
            if end >= 0 or not block:
                return b"".join([*parts, block[: max(end, 0)]])
            parts.append(block)
            offset += len(block)


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _record(line: bytes) -> Mapping[str, Any] | None:
    """The record in a line, or `None` when it is not whole."""
    try:
        record = json.loads(line)
        _completion(record)
        return record if len(bytes.fromhex(record["key"])) * 2 == KEY_DIGITS else None
    except (ValueError, KeyError, TypeError):
        return None


def _completion(record: Mapping[str, Any]) -> Completion:
    return Completion(
        text=record["text"],
        finish_reason=record["finish_reason"],
        prompt_tokens=record["prompt_tokens"],
        completion_tokens=record["completion_tokens"],
        model=record["model"],
        extra=record.get("extra") or {},
    )
