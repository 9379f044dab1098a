"""Reads rows of JSON, CSV and text files exactly, one at a time.

`datasets` reads these kinds too, but guesses types (a CSV cell `007` becomes 7, and `NA` null), requires the same columns in all files,
and does not say which file and row it cannot read. Here an error names both, and lines have a maximum length, so that a small
compressed file cannot exhaust memory.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO

from fsspec.compression import available_compressions, register_compression

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.data.opening import BLOCK, LIMIT, lines, opened, raw_file, refuse_other, telling, too_long, unpack_zst

CHATS = ("messages", "conversations", "conversation", "prompt")
"""Columns that contain a chat rather than a text."""
NAMES: dict[type, str] = {
    bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object", bytes: "bytes", str: "a text",
    type(None): "null",
}  # fmt: skip


def read_rows(
    files: list[tuple[str, Any]], kind: str, columns: tuple[str, ...], separator: str
) -> Iterator[dict[str, str | None]]:
    """The texts in some columns of files of one kind; a generator for `Dataset.from_generator`.

    Args:
        files: paths or URLs, each with a stamp that makes the cache of `datasets` notice a change.
        kind: `json`, `csv` or `text`.
        columns: for `json` and `text` the single column to read (or create); for `csv` any, not all of which a file may lack.
        separator: separator between the documents of a text file.

    Raises:
        RecipeError: a file is not of its kind, or a value is not text.
    """
    for name, _ in files:
        with telling(name):
            match kind:
                case "csv":
                    yield from csv_rows(name, columns)
                case "json":
                    yield from json_rows(name, columns[0])
                case _:
                    for text in documents(name, separator):
                        yield {columns[0]: text}


def json_rows(name: str, column: str) -> Iterator[dict[str, str | None]]:
    """A column of JSON objects, one per line or in a list. Bare strings count as its texts; if an object lacks it, it is null."""
    known: dict[str, None] = {}
    found = False
    for number, row in json_values(name):
        if isinstance(row, dict):
            text = row.get(column)
            if not found:
                found = column in row
                known |= dict.fromkeys(row)
        elif isinstance(row, str):
            text, found = row, True
        else:
            raise _wrong(name, number, f" is {called(row)}, not an object")
        if text is not None and type(text) is not str:
            raise _wrong(name, number, f": {no_text(column, text)}")
        if text and not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                half = ascii(text[error.start]).strip("'")
                what = f": {column!r} contains {half}, half of a surrogate pair; write whole characters"
                raise _wrong(name, number, what) from None
        yield {column: text}
    if known and not found:
        raise RecipeError(f"text_column: {name}: {no_column(column, list(known))}")


def json_values(name: str) -> Iterator[tuple[int, Any]]:
    """The values of a JSON file, each with its line number, or its position if they are in a list or span several lines."""
    with opened(name) as file:
        for number, line in enumerate(lines(file, name), 1):
            text = line.decode()
            start = text.lstrip()
            if not start:
                continue
            if number == 1 and start[0] == "[":
                yield from _spread(file, name, start[1:], in_list=True)
                return
            try:
                yield number, json.loads(text)
            except json.JSONDecodeError as error:
                if number == 1 and start[0] == "{":
                    yield from _spread(file, name, start, in_list=False)
                    return
                raise _wrong(name, number, f" is not JSON ({error.msg})") from None


def _spread(file: BinaryIO, name: str, buffer: str, *, in_list: bool) -> Iterator[tuple[int, Any]]:
    """JSON values that are not one per line; memory holds one of them."""
    decoder, rest = json.JSONDecoder(), io.TextIOWrapper(file, "utf-8")
    between = re.compile(r"[\s,]*" if in_list else r"\s*")
    number, at, size = 1, 0, BLOCK
    while True:
        at = between.match(buffer, at).end()  # type: ignore[union-attr]
        if in_list and buffer[at : at + 1] == "]":
            if buffer[at + 1 :].strip() or any(map(str.strip, iter(lambda: rest.read(BLOCK), ""))):
                raise _wrong(name, number, " follows the end of the list; write one list, or an object per line")
            return
        try:
            value, end = decoder.raw_decode(buffer, at)
        except json.JSONDecodeError as error:
            if len(buffer) - at > LIMIT:
                raise too_long(name, number) from None
            if not (more := rest.read(size)):
                if at == len(buffer) and not in_list:
                    return
                raise _wrong(name, number, f" is not JSON ({error.msg})") from None
            buffer, at, size = buffer[at:] + more, 0, size * 2
            continue
        yield number, value
        number, at, size = number + 1, end, BLOCK


def csv_rows(name: str, columns: Sequence[str]) -> Iterator[dict[str, str | None]]:
    """Columns of a CSV file with a header, every cell as text; a row that ends early has null."""
    with opened(name) as file:
        reader, header = _csv(file, name)
        if not set(columns) & set(header):
            raise RecipeError(f"text_column: {name}: {no_column(columns[0], header)}")
        places = [(c, header.index(c) if c in header else len(header)) for c in columns]
        number = 0
        try:
            for number, row in enumerate(reader, 1):
                if not row and len(header) > 1:
                    continue
                if len(row) > len(header):
                    cells = f"has {len(row)} cells, the header {len(header)}"
                    hint = 'put texts that contain separators in "quotes"'
                    raise _wrong(name, number, f" (line {reader.line_num}) {cells}; {hint}")
                yield {c: row[place] if place < len(row) else None if row else "" for c, place in places}
        except csv.Error as error:
            raise _wrong(name, number + 1, f" (line {reader.line_num}) is not CSV ({error})") from None


def csv_columns(name: str) -> list[str]:
    """The header of a CSV file."""
    with telling(name), opened(name) as file:
        return _csv(file, name)[1]


def _csv(file: BinaryIO, name: str) -> tuple[Any, list[str]]:
    """A CSV reader positioned after the header, and the header; the separator is the most frequent of `,`, `;`, tab and `|`."""
    csv.field_size_limit(LIMIT)
    text = (line.decode() for line in lines(file, name))
    head = [""]
    while not head[-1].strip() and (line := next(text, "")):
        head.append(line)
    reader = csv.reader(chain(head[1:], text), delimiter=max(",;\t|", key=head[-1].count), strict=True)
    header = next(filter(any, reader), [])
    if not header:
        raise RecipeError(f"dataset: {name}: has no header line")
    for column in filter(None, header):
        _require_once(name, column, header)
    return reader, header


def _require_once(name: str, column: str, columns: Sequence[str]) -> None:
    if columns.count(column) > 1:
        raise RecipeError(f"dataset: {name}: the column {column!r} occurs twice; rename one")


def documents(name: str, separator: str) -> Iterator[str]:
    """The documents of a text file, stripped, without blank ones; memory holds one."""
    parts: list[str] = []
    rest, size = "", 0
    with opened(name) as file, io.TextIOWrapper(file, "utf-8-sig") as blocks:
        while block := blocks.read(BLOCK):
            *ended, rest = (rest + block).split(separator)
            for end in ended:
                if text := ("".join(parts) + end).strip():
                    yield text
                parts, size = [], 0
            whole = max(0, len(rest) - len(separator) + 1)  # a separator may begin in the remainder
            parts.append(rest[:whole])
            rest, size = rest[whole:], size + whole
            if size > LIMIT:
                raise RecipeError(
                    f"dataset: {name}: a document of more than {LIMIT:,} characters; set the separator between documents, such as "
                    '{path: …, separator: "\\n"}'
                )
    if text := ("".join(parts) + rest).strip():
        yield text


if "zstd" not in available_compressions():  # fsspec, which `datasets` opens files with, needs a package for it
    register_compression("zstd", unpack_zst, "zst")


def check_lines(name: str) -> None:
    """Read a file to its end, so that errors in its compression, encoding or line lengths name the file."""
    with telling(name), opened(name) as file:
        for line in lines(file, name):
            line.decode()


def check_columns(name: str) -> None:
    """Raise a RecipeError at the first row of a JSON file that is not an object or whose value has another type than in earlier rows."""
    first: dict[str, tuple[str, int]] = {}
    with telling(name):
        for number, row in json_values(name):
            if not isinstance(row, dict):
                raise _wrong(name, number, f" is {called(row)}, not an object")
            for column, value in row.items():
                if value is None:
                    continue
                known, where = first.setdefault(column, (called(value), number))
                if known != called(value):
                    raise _wrong(name, number, f": {column!r} is {called(value)}, in row {where} it is {known}")


def _wrong(name: str, number: int, what: str) -> RecipeError:
    return RecipeError(f"dataset: {name}: row {number}{what}")


def no_text(column: str, value: Any) -> str:
    """The message for a value that should be text."""
    chat = isinstance(value, list) and value and isinstance(value[0], dict)
    hint = "; `silly-llm sft` reads chats" if chat else ""
    shown = "" if isinstance(value, (list, dict, bytes)) else f" ({json.dumps(value, default=str)})"
    return f"{column!r} is {called(value)}{shown}, not text{hint}"


def no_column(column: str, known: Sequence[str]) -> str:
    """The message for a missing column."""
    shown = [name if len(name) <= 40 else f"{name[:40]}…" for name in known]
    chat = next((f"; `silly-llm sft` reads chats (`{c}`)" for c in CHATS if c in known), "")
    return f"no column {column!r}{suggestion(column, known)}; the dataset has {', '.join(shown) or 'none'}{chat}"


def called(value: Any) -> str:
    """What a message calls the type of a value."""
    return NAMES.get(type(value), f"a {type(value).__name__}")


def parquet_rows(name: str, column: str | None) -> int:
    """The number of rows of a Parquet file; a RecipeError if it lacks the column, has it twice, or it does not contain text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with telling(name), raw_file(name) as file:
        refuse_other(name, file.read(100))
        metadata = pq.read_metadata(file)
    if column is None:
        return metadata.num_rows
    schema = metadata.schema.to_arrow_schema()
    if column not in schema.names:
        raise RecipeError(f"text_column: {name}: {no_column(column, schema.names)}")
    _require_once(name, column, schema.names)
    kind = schema.field(column).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind not in (pa.string(), pa.large_string(), pa.string_view(), pa.null()):
        chat = "; `silly-llm sft` reads chats" if pa.types.is_nested(kind) and column in CHATS else ""
        raise RecipeError(f"dataset: {name}: row 1: {column!r} is of the type {kind}, not text{chat}")
    return metadata.num_rows
