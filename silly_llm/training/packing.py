"""From texts to rows of `max_length` tokens: tokenized once, packed tightly, documents kept apart.

Packing is TRL's best-fit-decreasing. What keeps the documents of a row apart is that `position_ids` begin again at each
of them, with no attention mask and no cache: transformers then masks across documents (an all-ones mask or a cache
would leak; `tests/training/test_packing.py` proves that packed logits equal separate ones). A document longer than a row
is split into pieces that lie apart as well; a piece that continues a document has no begin-of-text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.errors import RecipeError
from silly_llm.training.tokenizer import require_column

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

IGNORED = -100
"""The label of what is not predicted."""
PACKED_TOGETHER = 10_000
"""Documents that one best-fit packing looks at: bounds memory."""


def cache_folder() -> Path:
    """Where tokenized and packed data lies: `HF_HOME/silly_llm`."""
    from huggingface_hub.constants import HF_HOME

    folder = Path(HF_HOME) / "silly_llm"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def pack(dataset: Dataset, tokenizer: Any, *, text_column: str, max_length: int) -> Dataset:
    """Tokenize and pack the texts of a dataset, in parallel, into a cache keyed by content.

    Args:
        dataset: has `text_column`.
        tokenizer: a fast tokenizer with bos and eos; all cores tokenize.
        text_column: where the text is.
        max_length: tokens of a row.

    Returns:
        Rows with `input_ids` (at most `max_length`) and `seq_lengths` (the lengths of the pieces in the row). Each document
        is bos + text + eos. Same tokenizer, texts and settings: read from the cache.

    Raises:
        RecipeError: no such column, or no text in it.
    """
    from trl import pack_dataset

    require_column(dataset, text_column)
    key = content_key(dataset, tokenizer, text_column, max_length)
    folder = cache_folder()
    tokens = dataset.map(
        tokenize,
        fn_kwargs={"tokenizer": tokenizer, "column": text_column},
        batched=True,
        batch_size=2_000,
        remove_columns=dataset.column_names,
        cache_file_name=str(folder / f"{key}-tokens.arrow"),
        new_fingerprint=f"{key[:32]}t",
        desc="Tokenizing",
    )
    if not len(tokens):
        raise RecipeError(f"dataset: no text in the column {text_column!r}")
    return pack_dataset(
        tokens,
        max_length,
        strategy="bfd_split",
        map_kwargs={
            "batch_size": PACKED_TOGETHER,
            "cache_file_name": str(folder / f"{key}-packed.arrow"),
            "new_fingerprint": f"{key[:32]}p",
            "desc": "Packing",
        },
    )


def tokenize(batch: dict[str, list[str]], *, tokenizer: Any, column: str) -> dict[str, list[list[int]]]:
    """bos + text + eos of each non-empty text of a batch."""
    texts = [text for text in batch[column] if text]
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    encoded = (
        tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        if texts
        else []
    )
    return {"input_ids": [[bos, *ids, eos] for ids in encoded]}


def content_key(dataset: Dataset, tokenizer: Any, text_column: str, max_length: int) -> str:
    """A digest of everything that packed rows depend on: the texts, the tokenizer, the settings."""
    hasher = hashlib.sha256(f"packing 1 {max_length} {PACKED_TOGETHER} ".encode())
    hasher.update(tokenizer.backend_tokenizer.to_str().encode())
    hasher.update(f"{tokenizer.bos_token_id} {tokenizer.eos_token_id}".encode())
    for batch in dataset.select_columns([text_column]).iter(batch_size=1000):
        for text in batch[text_column]:
            encoded = (text or "").encode()
            hasher.update(len(encoded).to_bytes(8, "little") + encoded)
    return hasher.hexdigest()


def text_bytes(dataset: Dataset, text_column: str) -> int:
    """UTF-8 bytes of all texts."""
    from silly_llm.training.tokenizer import texts_of

    return sum(len(text.encode()) for text in texts_of(dataset, text_column))


@dataclass
class PackedCollator:
    """Rows into a batch: `input_ids`, `position_ids`, `shift_labels` (and `labels`, the same), each [rows, max_length], int64.

    Labels are shifted here once, so that the loss copies no logits: position i predicts `shift_labels[:, i]`. The first
    token of a piece and padding are never predicted; with `predict_end=False` the end of a document is not either, so that
    exactly the text is scored.
    """

    max_length: int
    pad_token_id: int
    eos_token_id: int
    predict_end: bool = True

    def __call__(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        import numpy as np
        import torch

        shape = (len(rows), self.max_length)
        ids = np.full(shape, self.pad_token_id, dtype=np.int64)
        positions = np.zeros(shape, dtype=np.int64)
        labels = np.full(shape, IGNORED, dtype=np.int64)
        for number, row in enumerate(rows):
            tokens = np.asarray(row["input_ids"], dtype=np.int64)
            ids[number, : len(tokens)] = tokens
            labels[number, : len(tokens) - 1] = tokens[1:]
            start = 0
            for length in [*row["seq_lengths"], self.max_length - len(tokens)]:
                positions[number, start : start + length] = np.arange(length)
                start += length
                if start <= len(tokens):
                    labels[number, start - 1] = IGNORED  # the next piece is another document's
        if not self.predict_end:
            labels[labels == self.eos_token_id] = IGNORED
        shifted = torch.from_numpy(labels)
        return {
            "input_ids": torch.from_numpy(ids),
            "position_ids": torch.from_numpy(positions),
            "labels": shifted,
            "shift_labels": shifted,
        }
