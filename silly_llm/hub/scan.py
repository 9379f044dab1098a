"""Searches files for secrets before publishing: with the detectors of detect-secrets, with `masking.SHAPES`, and by exact match
of the secrets known to this process.

detect-secrets reads lines of text, so files are decoded first: Parquet with its column names and metadata, gzip, bzip2, xz, zstd, zip and
tar, also nested; UTF-16 and UTF-32. Memory use is bounded. Detectors based on entropy, keywords or loose
patterns (an address, 32 hex digits) are not used: they report secrets in stories and tokenizers that have none.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Any

from silly_llm.core.console.masking import QUERY_VALUE, SHAPES, forms_of, is_secret_name, known_secrets
from silly_llm.core.errors import RecipeError

DETECTORS = frozenset([
    "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector",
    "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "NpmDetector", "OpenAIDetector",
    "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector",
    "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector",
])  # fmt: skip
ASSIGNED = re.compile(
    r"(?i:api[-_ ]?key|secret|passw(?:or)?d|token|authorization)[\"']?\s*[:=]\s*[\"']?(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{20,}"
)
OWN = "a secret of this machine"
BLOCK, OVERLAP = 1 << 22, 1 << 10
"""Bytes searched at a time, and the overlap with the previous block."""
DEEPEST = 4
"""Maximum nesting of archives."""


def _arrow(codec: str, file: IO[bytes]) -> Any:
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(file), codec))


UNPACK: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": functools.partial(_arrow, "zstd"),
    b"\x04\x22\x4d\x18": functools.partial(_arrow, "lz4"),
}
"""Decompressors, by the first bytes of a file."""


def refuse_secrets(folder: Path, files: Collection[str], token: str, allow: Collection[str] = ()) -> None:
    """Search every file.

    Args:
        token: the Hub token, which no file may contain.
        allow: kinds of secrets that are false alarms here; a known secret of this machine never is.

    Raises:
        RecipeError: naming the file and the kind of secret, not the secret.
    """
    own = [form for secret in {token, *known_secrets()} if secret for form in forms_of(secret)]
    for name in files:
        path = folder / name
        try:
            kind = next((kind for kind in kinds_in(path, own) if kind == OWN or kind not in allow), None)
        except Exception as error:  # whatever each decoder raises
            raise RecipeError(f"{path}: cannot be searched for secrets ({error}); it is not published") from None
        if kind is not None:
            way_out = "" if kind == OWN else f'; if it is a false alarm: silly-llm publish … --allow "{kind}"'
            raise RecipeError(f"{path}: contains a token or another secret ({kind}); it is not published{way_out}")


def kinds_in(path: Path, own: Collection[str]) -> Iterator[str]:
    """The kinds of secrets in a file.

    Args:
        own: known secrets, in all their forms.
    """
    with path.open("rb") as file:
        if path.suffix == ".safetensors":  # weights, which are searched only for known secrets, after a header
            header = file.read(8 + int.from_bytes(file.read(8), "little"))
            texts = iter([header.decode("latin-1")])
            if any(secret.encode() in block for block in _blocks(file, header) for secret in own):
                yield OWN
        else:
            texts = texts_in(file)
        for text in texts:
            yield from kinds_of(text, own)


def kinds_of(text: str, own: Collection[str]) -> Iterator[str]:
    """The kinds of secrets in a text."""
    if any(secret in text for secret in own):
        yield OWN
    for detector in detectors():
        if next(detector.analyze_string(text), None) is not None:
            yield detector.secret_type
    if any(shape.search(text) for shape in SHAPES):
        yield "Token"
    if ASSIGNED.search(text):
        yield "Assigned Secret"
    if any(is_secret_name(m[1]) and re.search(r"\w{8}", m[2]) for m in QUERY_VALUE.finditer(text)):
        yield "Key in an Address"


@functools.cache
def detectors() -> list[Any]:
    """The detectors of detect-secrets that identify a secret by an unambiguous form."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes: Any = get_mapping_from_secret_type_to_class().values()
    return [detector() for detector in classes if detector.__name__ in DETECTORS]


def texts_in(file: IO[bytes], depth: int = 0) -> Iterator[str]:
    """The decoded content of a file in overlapping blocks. Text is read as Latin-1, which accepts all bytes; secrets are ASCII."""
    if depth > DEEPEST:
        raise ValueError("archives are nested too deeply")
    head = file.peek(512)[:512]  # type: ignore[attr-defined]
    unpack = next((unpack for magic, unpack in UNPACK.items() if head.startswith(magic)), None)
    if head.startswith((b"7z\xbc\xaf", b"Rar!\x1a\x07")):
        raise ValueError("an archive that cannot be unpacked here")
    if unpack is not None:
        yield from texts_in(unpack(file), depth + 1)
    elif head.startswith(b"PAR1"):
        yield from parquet_texts(file)
    elif head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(file) as archive:
            yield "\n".join([*archive.namelist(), archive.comment.decode("latin-1")])
            for name in archive.namelist():
                with archive.open(name) as inside:
                    yield from texts_in(inside, depth + 1)
    elif head[257:262] == b"ustar":
        with tarfile.open(fileobj=file, mode="r|") as tar:
            for entry in tar:
                yield entry.name
                if entry.isfile() and (extracted := tar.extractfile(entry)):
                    yield from texts_in(extracted, depth + 1)
    else:
        for block in _blocks(file):
            yield from _decoded(block)


def parquet_texts(file: IO[bytes]) -> Iterator[str]:
    """A Parquet file's metadata, column names and all text of its columns, one value per line."""
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file)
    yield parquet.schema_arrow.to_string(truncate_metadata=False, show_field_metadata=True, show_schema_metadata=True)
    yield "\n".join(f"{k!r} {v!r}" for k, v in (parquet.metadata.metadata or {}).items())
    for batch in parquet.iter_batches(batch_size=4096):
        for column in batch.columns:
            yield from _strings(column)


def _strings(array: Any) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        yield from _strings(array.dictionary)
    elif pa.types.is_nested(array.type):
        inner = [array.keys, array.items] if pa.types.is_map(array.type) else array.flatten()
        for part in inner if isinstance(inner, list) else [inner]:
            yield from _strings(part)
    elif "string" in str(array.type) or "binary" in str(array.type):
        values = array.drop_null().cast(pa.binary())
        yield from _decoded(pc.binary_join(pa.ListArray.from_arrays([0, len(values)], values), b"\n")[0].as_py())


def _decoded(block: bytes) -> Iterator[str]:
    yield block.decode("latin-1")
    if b"\0" in block:  # UTF-16 and UTF-32 encode ASCII with null bytes
        yield block.translate(None, b"\0").decode("latin-1")


def _blocks(file: IO[bytes], tail: bytes = b"") -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield tail + block
        tail = block[-OVERLAP:]
