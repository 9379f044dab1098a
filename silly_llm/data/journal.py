"""The journal: every answer that was paid for, once, before anything else is done with it.

An append-only file of JSON lines next to the output, one record per answered request, keyed by a fingerprint of what
was asked. A record is written the moment its answer arrives (`kill -9` loses nothing that was written) and reaches
the disk (fsync) before it counts. After a crash the last record may be torn: it is cut off and asked again. Failures are
never written. Memory holds a key and an offset per record, never the texts.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from silly_llm.errors import RunError
from silly_llm.output import fingerprint
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider

KEY_DIGITS = 32
"""Hex digits of a key: 128 bits of SHA-256."""


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
    if provider.uses_fields:
        asked["fields"] = dict(request.fields)
    return fingerprint(asked)[:KEY_DIGITS]


class Journal:
    """Answers on disk, by key. A context manager; the caller holds the lock of the folder.

    Args:
        path: the file; made (with its folder) if missing, continued if there.
        sync_every: records after which `append` calls `sync` by itself.
        sync_seconds: seconds after which it does so earlier.
    """

    def __init__(self, path: str | Path, *, sync_every: int = 64, sync_seconds: float = 1.0) -> None:
        self.path = Path(path)
        self.sync_every = sync_every
        self.sync_seconds = sync_seconds
        self._synced = time.monotonic()
        self._offsets: dict[bytes, int] = {}
        self._unsynced = 0
        self.damaged = 0
        """Records that could not be read back (torn by a crash); their requests are asked again."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be opened ({error.strerror})") from None
        self._end = self._read_index()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._offsets

    def get(self, key: str) -> Completion | None:
        """The answer recorded under `key`, or `None`."""
        offset = self._offsets.get(bytes.fromhex(key))
        return None if offset is None else _completion(json.loads(self._line_at(offset)))

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
        line = (
            json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        )
        self._write(line)
        self._offsets[bytes.fromhex(key)] = self._end
        self._end += len(line)
        self._unsynced += 1
        if self._unsynced >= self.sync_every or time.monotonic() - self._synced > self.sync_seconds:
            self.sync()

    def sync(self) -> None:
        """Make what was appended survive power loss."""
        if self._unsynced:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise RunError(f"{self.path}: cannot be written ({error.strerror})") from None
            self._unsynced = 0
            self._synced = time.monotonic()

    def close(self) -> None:
        if self._file >= 0:
            try:
                self.sync()
            finally:
                os.close(self._file)
                self._file = -1

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
                key = _key(line) if whole else None
                if key is not None:
                    self._offsets[key] = position
                else:
                    self.damaged += 1
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


def read_journal(path: str | Path) -> Iterator[Mapping[str, Any]]:
    """The whole records of a journal file, in the order in which they were answered."""
    with Path(path).open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and _key(line) is not None:
                yield json.loads(line)


def _key(line: bytes) -> bytes | None:
    """The key of a line that is a whole record, else `None`."""
    try:
        record = json.loads(line)
        _completion(record)
        return bytes.fromhex(record["key"])
    except (ValueError, KeyError, TypeError):
        return None


def _completion(record: Mapping[str, Any]) -> Completion:
    return Completion(
        text=record["text"],
        finish_reason=record["finish_reason"],
        prompt_tokens=record["prompt_tokens"],
        completion_tokens=record["completion_tokens"],
        model=record["model"],
        extra=record.get("extra", {}),
    )
