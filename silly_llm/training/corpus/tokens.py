"""From texts to token ids on disk, once: a memory-mapped file in a cache keyed by what they were made from.

Two things make this several times faster than `datasets.map` over a tokenizer (docs/lab-log.md has the figures). A corpus repeats few
words, and byte-level BPE tokenizes each word by itself, so words are looked up rather than tokenized again. And ids go to disk as
flat arrays of 16 bits, not as lists; packing (`silly_llm.training.corpus.packing`) then only makes an index of them and copies nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
from huggingface_hub import constants
from tokenizers import Tokenizer, models

from silly_llm.data.sources import require_text
from silly_llm.training.corpus.texts import arrow_batches, is_blank
from silly_llm.training.keys import refuse_if

if TYPE_CHECKING:
    from datasets import Dataset

SHARD_BYTES = 32_000_000
"""UTF-8 bytes of text in a shard, about. Shards are what processes share the work by."""
WORDS_KEPT = 1_000_000
"""Words whose tokens are remembered at most: bounds memory."""
GPT2_SPLIT = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\t-\r A-Za-z0-9]+|[\t-\r ]+(?![^\t-\r ])|[\t-\r ]+"
)
"""How byte-level BPE splits ASCII text into words (Radford et al. 2019), which it then tokenizes apart."""


def cache_folder() -> Path:
    """Where tokenized and packed data lies: `HF_HOME/silly_llm`."""
    return Path(constants.HF_HOME) / "silly_llm"


class Tokens(NamedTuple):
    """Tokenized documents, each bos + text + eos."""

    folder: Path
    ids: np.ndarray  # of all documents, one after the other, memory-mapped: [tokens], uint16 or uint32
    lengths: np.ndarray  # of each document: [documents], int32


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which becomes `folder` when all is there; or goes, where another process was faster."""
    new = Path(f"{folder}.{os.getpid()}.partial")
    new.mkdir(parents=True)
    try:
        yield new
        try:
            new.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def tokenize(dataset: Dataset, tokenizer: Any, *, text_column: str, processes: int | None = None) -> Tokens:
    """Tokenize the texts of a dataset that are not blank; the same texts and tokenizer are read from the cache.

    As many processes share the work as there are cores, by default; none beside this one for a single shard. A RecipeError where there
    is no such column, or no text in it.
    """
    require_text(dataset, text_column)
    key, size = digest(dataset, tokenizer, text_column)
    folder, encoder = cache_folder() / f"tokens-{key}", Encoder(tokenizer)
    refuse_if(not size, f"dataset: no text in the column {text_column!r}")
    if not folder.is_dir():
        documents = dataset.select_columns([text_column])
        count = min(len(documents), -(-size // SHARD_BYTES))
        workers = min(count, processes or os.cpu_count() or 1)
        with whole_folder(folder) as new, ExitStack() as stack:
            parts = [documents.shard(count, n, contiguous=True) for n in range(count)]
            files = [new / f"{n:05}" for n in range(count)]
            each: Any = map
            if workers > 1:  # forking a process whose libraries run threads may hang it, so they start afresh
                each = stack.enter_context(ProcessPoolExecutor(workers, get_context("spawn"))).map
            lengths = list(each(partial(write_shard, column=text_column, encoder=encoder), parts, files))
            np.save(new / "lengths.npy", np.concatenate(lengths))
            with (new / "ids.bin").open("wb") as whole:
                for file in files:
                    with file.open("rb") as part:
                        shutil.copyfileobj(part, whole, 1 << 22)
                    file.unlink()
    ids = np.asarray(np.memmap(folder / "ids.bin", encoder.dtype, "r"))  # a plain array is sliced faster
    return Tokens(folder, ids, np.load(folder / "lengths.npy"))


def write_shard(documents: Dataset, name: Path, column: str, encoder: Encoder) -> np.ndarray:
    """Tokenize some documents into a file of ids; gives their lengths."""
    lengths: list[int] = []
    with name.open("wb") as file:
        for batch in arrow_batches(documents, column):
            for ids in encoder.encode([text for text in batch.to_pylist() if not is_blank(text)]):
                lengths.append(len(ids))
                file.write(ids.data)
    return np.array(lengths, np.int32)


class Encoder:
    """Texts to ids with begin and end around them, exactly as a fast tokenizer itself would, but that a text which names a special token is text."""

    def __init__(self, tokenizer: Any) -> None:
        self.backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self.bos, self.eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self.dtype = "uint16" if len(tokenizer) <= 1 << 16 else "uint32"
        state = json.loads(self.backend.to_str())
        splits = state["pre_tokenizer"] or {}
        self.by_word = (
            isinstance(self.backend.model, models.BPE)
            and splits.get("type") == "ByteLevel"
            and splits["use_regex"]
            and not splits["add_prefix_space"]
            and state["normalizer"] is None
            and not state["model"]["dropout"]
        )
        """Words are tokenized apart, so that each has to be tokenized once."""
        # A text that names an added token is left to the tokenizer.
        added = (re.escape(token["content"]) for token in state["added_tokens"] if not token["special"])
        self.added = re.compile("|".join(added) or r"(?!)")
        self.known = Words(self.backend)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text: [tokens], of `dtype`."""
        self.backend.encode_special_tokens = (
            True  # `<|eos|>` in a text is seven characters, not the end; pickled, it forgets
        )
        found: dict[int, np.ndarray] = {}
        rest = []
        for number, text in enumerate(texts):
            if self.by_word and text.isascii() and not self.added.search(text):
                ids = chain.from_iterable(map(self.known.__getitem__, GPT2_SPLIT.findall(text)))
                found[number] = np.fromiter(chain((self.bos,), ids, (self.eos,)), self.dtype)
            else:
                rest.append(number)
        if rest:
            encodings = self.backend.encode_batch_fast([texts[n] for n in rest], add_special_tokens=False)
            for number, encoding in zip(rest, encodings, strict=True):
                found[number] = np.array([self.bos, *encoding.ids, self.eos], self.dtype)
        if len(self.known) > WORDS_KEPT:
            self.known.clear()
        return [found[number] for number in range(len(texts))]


class Words(dict[str, tuple[int, ...]]):
    """The ids of words; one that is not known yet is tokenized."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def __missing__(self, word: str) -> tuple[int, ...]:
        self[word] = ids = tuple(self.backend.encode(word, add_special_tokens=False).ids)
        return ids


def digest(documents: Dataset, tokenizer: Any, column: str) -> tuple[str, int]:
    """What tokens depend on (the texts, the tokenizer) as a hash, and the UTF-8 bytes of the texts."""
    hasher = hashlib.sha256(b"tokens 4 ")
    hasher.update(tokenizer.backend_tokenizer.to_str().encode())
    hasher.update(f"{tokenizer.bos_token_id} {tokenizer.eos_token_id}".encode())
    size = 0
    for texts in arrow_batches(documents, column):
        hasher.update(pc.binary_length(texts).to_numpy())
        offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
        hasher.update(memoryview(texts.buffers()[2] or b"")[offsets[0] : offsets[-1]])
        size += int(offsets[-1] - offsets[0])
    return hasher.hexdigest()[:32], size
