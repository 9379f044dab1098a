"""Splits stories into training and validation without leaks.

The split is by story: the dataset's own validation split if it has one, otherwise by a hash of the text. A training
story that is also a validation story is left out, and a validation request never quotes a sentence or a summary
that occurs in the training stories. For this, the training sentences are stored in a Bloom filter of fixed size, so
memory is bounded.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rbloom import Bloom

from silly_llm.data.generation.progress import Progress
from silly_llm.data.instructions.types import Story, listed
from silly_llm.text.sentences import split_sentences

if TYPE_CHECKING:
    from silly_llm.data.sources import DataProvider


class StorySplit:
    """The stories of a dataset, split by story.

    Raises:
            RecipeError: the dataset has no column `text`, or it contains something other than text.
    """

    def __init__(self, source: DataProvider, *, fraction: float, seed: int) -> None:
        from silly_llm.data.sources import require_text

        self.own_split = "validation" in source.splits()
        self.records = {split: source.load(split) for split in ("train", *["validation"] * self.own_split)}
        for records in self.records.values():
            for column in ("text", *{"summary"} & {*records.column_names}):
                require_text(records, column)
        self.fraction = fraction
        self.seed = seed
        self.counts: Counter = Counter()
        self._validation_ids: set[str] = set()
        self._trained_on = Bloom(
            50_000_000, 0.01, text_hash
        )  # 60 MB; false positives below 1 % up to 50 million texts

    def scan(self) -> None:
        """First pass: decide which stories are held back, and store the sentences of the others."""
        if self.own_split:
            self._validation_ids = {story.story_id for story in self._read("validation")}
        else:
            lowest = (1.0, "")
            for story in self._read("train", "stories read"):
                position = self._position(story.story_id)
                lowest = min(lowest, (position, story.story_id))
                if position < self.fraction:
                    self._validation_ids.add(story.story_id)
            if lowest[1]:
                self._validation_ids.add(lowest[1])  # at least one story is held back, however few there are
        for story in self._read("train", "stories remembered"):
            if story.story_id not in self._validation_ids:
                self._trained_on.add(story.summary or "")
                for sentence in split_sentences(story.text):
                    self._trained_on.add(sentence)

    def stories(self, split: str) -> Iterator[Story]:
        """The stories of a split (`train` or `validation`), in the dataset's order, each text once in validation."""
        held_back = split == "validation"
        done: set[str] = set()
        counts: Counter = Counter()
        for story in self._read("validation" if self.own_split and held_back else "train", f"stories for {split}"):
            if (story.story_id in self._validation_ids) != held_back:
                counts["train_stories_left_out_because_in_validation"] += self.own_split
                continue
            if held_back:
                if story.story_id in done:
                    continue
                done.add(story.story_id)
                story = replace(story, seen=self._trained_on.__contains__)
            counts[split] += 1
            yield story
        self.counts |= counts

    def _read(self, split: str, unit: str = "stories read") -> Iterator[Story]:
        """Records with a `text` (and `words`, `features`, `summary` if present) as stories; empty texts are left out."""
        with Progress(len(self.records[split]), unit) as progress:
            for record in self.records[split]:
                progress.update()
                if text := (record["text"] or "").strip():
                    yield Story(
                        text=text,
                        story_id=story_id(text),
                        words=listed(record, "words"),
                        features=listed(record, "features"),
                        summary=(record.get("summary") or "").strip() or None,
                    )

    def _position(self, story_id: str) -> float:
        digest = hashlib.sha256(f"{self.seed}\0split\0{story_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


def text_hash(text: str) -> int:
    """A 128-bit hash of a text regardless of its white space, the same in every process."""
    digest = hashlib.blake2b(" ".join(text.split()).encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big", signed=True)


def story_id(text: str) -> str:
    """The identity of a story: a hash of the text, ignoring white space and case."""
    return hashlib.sha256(" ".join(text.lower().split()).encode()).hexdigest()[:32]
