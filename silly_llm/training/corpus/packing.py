"""From tokens to rows of `max_length`: an index of which pieces of which documents lie in which row. No token is copied.

`best_fit` is best-fit decreasing (Ding et al. 2024, "Fewer truncations improve language modeling"): whole documents, into the row with
the least room that is enough. `concatenate` cuts the corpus, end to end, every `max_length` tokens.

What keeps the documents of a row apart is that `position_ids` begin again at each piece, with no attention mask and no cache:
transformers then masks across documents (an all-ones mask or a cache would leak; `tests/training/corpus/test_packing.py` proves that packed
logits equal separate ones). A document longer than a row is split into pieces that lie apart as well; a piece that continues
a document has no begin-of-text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np
from torch.utils.data import Dataset

from silly_llm.training.corpus.tokens import Tokens, whole_folder
from silly_llm.training.kernels.fused import IGNORED

if TYPE_CHECKING:
    import torch

PACKED_TOGETHER = 100_000
"""Pieces that one best-fit packing looks at: bounds time and memory, and keeps rows near the order of the corpus."""
Packing = Literal["best_fit", "concatenate"]
INDEX = ("starts", "lengths", "rows")


class PackedRows(Dataset):
    """Rows of tokens, for a DataLoader with `PackedCollator`.

    Args:
        tokens: the documents.
        index: `starts` (a piece's first token: [pieces], int64), `lengths` ([pieces], int32) and `rows`
            (the first piece of each row, and the number of pieces: [rows + 1], int64).
    """

    def __init__(self, tokens: Tokens, index: dict[str, np.ndarray]) -> None:
        self.tokens, self.index = tokens, index

    def __len__(self) -> int:
        return len(self.index["rows"]) - 1

    def __getitem__(self, number: int) -> list[np.ndarray]:
        """The pieces of a row: token ids, [tokens of the piece] each."""
        if number >= len(self):
            raise IndexError(number)
        first, last = self.index["rows"][number : number + 2]
        starts, lengths = (self.index[name][first:last].tolist() for name in ("starts", "lengths"))
        return [self.tokens.ids[start : start + length] for start, length in zip(starts, lengths, strict=True)]


def pack(tokens: Tokens, max_length: int, packing: Packing = "best_fit", isolate: bool = True) -> PackedRows:
    """Lay documents into rows of `max_length` tokens; the index is kept beside the tokens, and read from there the next time.

    With `isolate` documents of a row are pieces of their own; else (with `concatenate` only) a row is one piece, in which they see
    those before them.
    """
    folder = tokens.folder / f"{packing}-{max_length}{'' if isolate else '-joined'}"
    if not folder.is_dir():
        with whole_folder(folder) as new:
            for name, values in index_of(tokens.lengths, max_length, packing, isolate).items():
                np.save(new / name, values)
    return PackedRows(tokens, {name: np.load(folder / f"{name}.npy", "r") for name in INDEX})


def index_of(
    documents: np.ndarray, max_length: int, packing: Packing = "best_fit", isolate: bool = True
) -> dict[str, np.ndarray]:
    """The index of `PackedRows` for documents of these lengths."""
    if packing == "concatenate":
        ends = np.cumsum(documents, dtype=np.int64)
        row_starts = np.arange(0, ends[-1], max_length)
        starts = np.union1d(row_starts, ends[:-1]) if isolate else row_starts
        lengths = np.diff(np.append(starts, ends[-1])).astype(np.int32)
        rows = np.append(np.searchsorted(starts, row_starts), len(starts))
        return dict(zip(INDEX, (starts, lengths, rows), strict=True))
    if not isolate:
        raise ValueError("documents that are joined must be concatenated")
    starts, lengths = pieces_of(documents, max_length)
    order, sizes = [], [0]
    for begin in range(0, len(lengths), PACKED_TOGETHER):
        laid = best_fit(lengths[begin : begin + PACKED_TOGETHER], max_length)
        order.append(begin + np.fromiter(chain.from_iterable(laid), np.int64))
        sizes += map(len, laid)
    pieces = np.concatenate(order)
    return dict(zip(INDEX, (starts[pieces], lengths[pieces], np.cumsum(sizes)), strict=True))


def pieces_of(documents: np.ndarray, max_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of each piece: a document, or its parts of at most `max_length` tokens."""
    counts = -(-documents.astype(np.int64) // max_length)
    starts = np.cumsum(documents, dtype=np.int64) - documents
    part = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    lengths = np.minimum(np.repeat(documents, counts) - part * max_length, max_length)
    return np.repeat(starts, counts) + part * max_length, lengths.astype(np.int32)


def best_fit(lengths: np.ndarray, room: int) -> list[list[int]]:
    """The pieces of each row of `room` tokens, longest first, each into the fullest row that has room for its `lengths` (at most `room`)."""
    rows: list[list[int]] = []
    open_rows: list[list[int]] = [[] for _ in range(room + 1)]  # by the room they have left
    rooms = 0  # bit r is set: some row has room for r tokens, exactly
    order = np.argsort(-lengths, kind="stable")
    for piece, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        enough = rooms >> length
        if enough:
            left = (enough & -enough).bit_length() - 1  # the lowest bit that is set
            row = open_rows[left + length].pop()
            if not open_rows[left + length]:
                rooms ^= 1 << (left + length)
        else:
            left, row = room - length, len(rows)
            rows.append([])
        rows[row].append(piece)
        if left:
            open_rows[left].append(row)
            rooms |= 1 << left
    return rows


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

    def __call__(self, rows: Sequence[Sequence[np.ndarray]]) -> dict[str, torch.Tensor]:
        import torch

        shape = (len(rows), self.max_length)
        ids = np.full(shape, self.pad_token_id, np.int64)
        labels = np.full(shape, IGNORED, np.int64)
        positions = np.zeros(shape, np.int64)
        counting = np.arange(self.max_length)
        for number, pieces in enumerate(rows):
            start = 0
            for piece in pieces:
                end = start + len(piece)
                ids[number, start:end] = piece
                labels[number, start : end - 1] = piece[1:]
                positions[number, start:end] = counting[: len(piece)]
                start = end
            positions[number, start:] = counting[: self.max_length - start]  # padding is apart, too
        if not self.predict_end:
            labels[labels == self.eos_token_id] = IGNORED
        shifted = torch.from_numpy(labels)
        return {
            "input_ids": torch.from_numpy(ids),
            "position_ids": torch.from_numpy(positions),
            "labels": shifted,
            "shift_labels": shifted,
        }
