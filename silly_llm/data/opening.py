"""Opens files as text, decompressed; problems are reported in one line."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from silly_llm.core.errors import RecipeError, RunError, first_line
from silly_llm.core.lookup import locate

LIMIT = 1 << 28
"""Maximum bytes of a line, or characters of a document."""
BLOCK = 1 << 20
OTHERS = {
    b"\x1f\x8b": "compressed (gzip), or twice; end its name in .gz, or unpack it",
    b"\x28\xb5\x2f\xfd": "compressed (zstd), or twice; end its name in .zst, or unpack it",
    b"PK\x03\x04": "a zip archive or an Excel file; unpack it, or save it as CSV",
    b"version https://git-lfs": "a pointer of Git LFS, not the data; run git lfs pull",
}
"""First bytes of files that are not what their names say."""
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def raw_file(name: str) -> Any:
    """The raw bytes of a local or remote file."""
    import fsspec

    return fsspec.open(name, "rb").open() if "://" in name else Path(name).open("rb")


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """The bytes of a local or remote file, decompressed according to its extension; raises a RecipeError if they are UTF-16."""
    with raw_file(name) as raw:
        unpack: Any = UNPACK.get(ending(name))
        file = unpack(raw) if unpack else raw
        with io.BufferedReader(file, BLOCK) if not hasattr(file, "peek") else file as stream:
            head = stream.peek(100)[:100]
            refuse_other(name, head)
            if head.startswith(UTF16) or head.count(0) > len(head) // 4:
                wide = "UTF-32" if head.count(0) > len(head) // 2 else "UTF-16"
                raise RecipeError(f"dataset: {name}: is {wide}, not UTF-8; {convert(wide, name)}")
            yield stream


def refuse_other(name: str, head: bytes) -> None:
    """Raise a RecipeError if a file's first bytes say that it is not of the type its name suggests."""
    for start, what in OTHERS.items():
        if head.startswith(start):
            raise RecipeError(f"dataset: {name}: is {what}")


def unpack_zst(file: Any, mode: str = "rb") -> Any:
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(file, "zstd"))


UNPACK = {"gz": lambda file: gzip.GzipFile(fileobj=file), "bz2": bz2.BZ2File, "xz": lzma.LZMAFile, "zst": unpack_zst}
"""Readers for compressed files, by extension."""


def ending(name: str) -> str:
    """The extension of a path or URL, in lower case and without a URL's query."""
    path = re.split(r"[?#]", name)[0] if "://" in name else name
    return path.rpartition("/")[2].rpartition(".")[2].lower()


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Turn read errors into one line that names the file."""
    import pyarrow as pa

    try:
        yield
    except UnicodeDecodeError:
        raise RecipeError(f"dataset: {name}: {_where_not_utf8(name)}") from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, csv.Error, pa.ArrowException) as error:
        raise RecipeError(
            f"dataset: {name}: is damaged, or not of the type its name suggests ({first_line(error)})"
        ) from None
    except FileNotFoundError:
        raise RecipeError(f"dataset: {name}: no such file") from None
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise (RunError if "://" in name else RecipeError)(f"dataset: {name}: cannot be read ({reason})") from None


def _where_not_utf8(name: str) -> str:
    before = 0
    with opened(name) as file:
        for number, line in enumerate(lines(file, name), 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"row {number} (byte {before + error.start:,}) is not UTF-8 text (0x{line[error.start]:02x}); "
                    f"if it is Latin-1 (else name its own encoding): {convert('WINDOWS-1252', name)}"
                )
            before += len(line)
    return "is not UTF-8 text"


def convert(encoding: str, name: str) -> str:
    """How to convert a file to UTF-8."""
    return f"convert it: iconv -f {encoding} -t UTF-8 {Path(name).name!r} > NEW"


def read_text(path: str, where: str) -> str:
    """A small text file named in a recipe; `where` starts the error message."""
    try:
        return locate(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{where}: {path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def too_long(name: str, number: int) -> RecipeError:
    return RecipeError(f"dataset: {name}: row {number} is longer than {LIMIT:,} bytes")


def lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Lines with their line ends, without a byte order mark, none longer than `LIMIT`."""
    for number, line in enumerate(iter(lambda: file.readline(LIMIT + 1), b""), 1):
        if len(line) > LIMIT:
            raise too_long(name, number)
        yield line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
