"""Rows from text that is read as it is needed (`streaming: true`): for what does not fit on a disk, or should not wait for a download.

A block of documents at a time is tokenized, packed as `silly_llm.training.corpus.packing` packs a corpus, and its rows shuffled. The stream's
place goes into every checkpoint: a training that resumes opens the source there and tokenizes one block anew, whatever it read before.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import IterableDataset
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from silly_llm.training.checkpoints import STATE
from silly_llm.training.corpus.packing import PackedRows, index_of
from silly_llm.training.corpus.texts import is_blank
from silly_llm.training.corpus.tokens import Encoder, Tokens
from silly_llm.training.keys import refuse_if

if TYPE_CHECKING:
    import datasets

BLOCK = 5_000
"""Documents that are packed and shuffled together, and in memory at once."""
PLACES_KEPT = 4096
"""Blocks whose beginnings are remembered: a data loader is up to two steps ahead of the training."""


@dataclass(frozen=True)
class StreamState:
    """Where a stream stands: at a row of a block."""

    rows: int = 0  # given before the block
    epoch: int = 0  # times that the stream was read to its end
    source: dict[str, Any] | None = (
        None  # `datasets.IterableDataset.state_dict` at the block's beginning; `None`: at its own
    )
    given: int = 0  # rows of the block that were given


class StreamedRows(IterableDataset):
    """Packed rows of a stream without end (it begins again), from a place on, for a DataLoader with `PackedCollator`.

    `layout` is `max_length`, `packing` (within a block) and `isolate` of `silly_llm.training.corpus.packing.pack`. Blank texts are left
    out, and counted in `blank`; a RecipeError when a whole pass finds nothing else.
    """

    def __init__(
        self,
        stream: datasets.IterableDataset,
        tokenizer: Any,
        text_column: str,
        *layout: Any,
        seed: int = 0,
        place: StreamState | None = None,
    ) -> None:
        self.stream = stream.select_columns([text_column])  # an object of its own, with a state of its own
        self.encoder, self.text_column = Encoder(tokenizer), text_column
        self.layout, self.seed = layout, seed
        self.beginning = self.stream.state_dict()
        self.places = deque([place or StreamState()], PLACES_KEPT)
        self.blank = 0

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        place = self.places[-1]
        skipped, found = place.given, False
        while True:
            self.stream.load_state_dict(place.source or self.beginning)
            records = iter(self.stream)
            while block := [record[self.text_column] for record in islice(records, BLOCK)]:
                texts = [text for text in block if not is_blank(text)]
                self.blank += len(block) - len(texts)
                if texts:
                    rows = self.pack(texts)
                    order = np.random.default_rng([self.seed, place.rows]).permutation(len(rows))
                    for number in order[skipped:]:
                        yield rows[number]
                    place = replace(place, rows=place.rows + len(rows))
                    found = True
                skipped = 0
                place = replace(place, source=self.stream.state_dict(), given=0)
                self.places.append(place)
            refuse_if(not found, f"dataset: no text in the column {self.text_column!r}")
            place = replace(place, epoch=place.epoch + 1, source=None)
            self.places[-1], found = place, False

    def pack(self, texts: list[str]) -> PackedRows:
        """The rows of some texts, in memory."""
        ids = self.encoder.encode(texts)
        lengths = np.array([len(document) for document in ids], np.int32)
        return PackedRows(Tokens(Path(), np.concatenate(ids), lengths), index_of(lengths, *self.layout))

    def place_after(self, rows: int) -> StreamState:
        """The place of a training that has seen so many rows."""
        place = next(p for p in reversed(self.places) if p.rows <= rows)
        return replace(place, given=rows - place.rows)


class SaveStreamState(TrainerCallback, ExportableState):
    """Has every checkpoint know the place of the training in its stream (in `trainer_state.json`)."""

    def __init__(self) -> None:
        self.place: dict[str, Any] = asdict(StreamState())

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"args": {}, "attributes": {"place": self.place}}

    def on_step_end(self, args, state, control, train_dataloader=None, **kwargs):
        rows = getattr(train_dataloader, "dataset", None)
        if isinstance(rows, StreamedRows) and state.is_world_process_zero:
            self.place = asdict(rows.place_after(state.global_step * args.train_rows_per_step))


def place_of(checkpoint: str | None) -> StreamState:
    """Where the training of a checkpoint stood in its stream; without one, at the beginning."""
    if checkpoint is None:
        return StreamState()
    callbacks = json.loads((Path(checkpoint) / STATE).read_text(encoding="utf-8"))["stateful_callbacks"]
    kept = callbacks.get(SaveStreamState.__name__, callbacks.get("KeepsPlace"))  # its first name
    return StreamState(**kept["attributes"]["place"]) if kept else StreamState()
