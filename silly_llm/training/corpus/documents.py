"""The texts that a pretraining reads: its source, what is held out, cut and taken away, before they become tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
from datasets import Dataset, IterableDataset

from silly_llm.core.errors import RecipeError
from silly_llm.data.filters.decontamination import NgramIndex
from silly_llm.text.words import lower_words
from silly_llm.training.corpus.texts import BATCH, arrow_batches, byte_lengths, texts_of
from silly_llm.training.keys import refuse_if

if TYPE_CHECKING:
    from silly_llm.data.sources import DataProvider

HELD_OUT = 0.02
"""Share of the documents evaluated on when the dataset has no split for it."""
LONG = 20_000
"""UTF-8 bytes from which on a document is cut where there are too few to hold some out."""
PIECE = 4_000
"""Characters of a piece of such a document, about."""


@dataclass
class Corpus:
    """The documents of a pretraining."""

    train: Dataset | IterableDataset
    held_out: Dataset
    left_out: dict[str, int] = field(default_factory=dict)  # not trained on, by the reason
    notices: list[str] = field(default_factory=list)  # what a user should know of how they were read


def read_texts(args: Any, source: DataProvider, eval_source: DataProvider | None = None) -> Corpus:
    """The documents to train and to evaluate on: the evaluation's own, the dataset's validation split, or held out.

    A RecipeError where there are no documents, no such column, no texts in it, or nothing is left by `decontaminate`.
    """
    column, most, notices = args.text_column, args.max_eval_documents, []
    texts, blank = without_blank(source.texts(column, "train"), column)
    left_out = {"blank": blank}
    refuse_if(not len(texts), f"dataset: no text in the column {column!r}")
    if (named := evaluation_of(source, eval_source)) is not None:
        held_out, _ = without_blank(named[0].texts(column, named[1]), column)
    else:
        few = len(texts) * HELD_OUT < 1
        if (few and byte_lengths(texts, column).sum() > LONG * len(texts)) or len(texts) == 1:
            count, texts = len(texts), cut(texts, column)
            notices.append(
                f"dataset: {count:,} long document{'s' * (count > 1)}, cut at paragraphs into {len(texts):,} so that some can be held out; "
                'another place to cut a txt file: --dataset.path FILE --dataset.separator "\\n" (a document a line)'
            )
        count = max(1, min(most or len(texts), round(HELD_OUT * len(texts))))
        refuse_if(len(texts) <= count, "dataset: too small to hold anything out; name an eval_dataset")
        split = texts.train_test_split(test_size=count, seed=args.seed)
        texts, held_out = split["train"], split["test"]
    refuse_if(not len(held_out), f"eval_dataset: no text in the column {column!r}")
    if most is not None:
        held_out = held_out.select(range(min(most, len(held_out))))
    if ngram := args.decontaminate:
        count, texts = len(texts), without_shared_runs(texts, held_out, column, ngram)
        none = f"decontaminate: every document shares {ngram} words in a row with the evaluation set"
        refuse_if(not len(texts), none)
        left_out["shared with the evaluation"] = count - len(texts)
    if args.max_bytes is not None:
        texts = first_bytes(texts, column, args.max_bytes)
    return Corpus(texts, held_out, left_out, notices)


def read_stream(args: Any, source: DataProvider, eval_source: DataProvider | None = None) -> Corpus:
    """As `read_texts`, but what is trained on is only opened; without a split to evaluate on, the first documents are held out.

    A RecipeError where there are no documents or no such column, or `max_eval_documents` does not say how many to hold out, or holds out all.
    """
    column, count = args.text_column, args.max_eval_documents
    texts = source.texts(column, "train", streaming=True)
    empty = next(texts_of(texts, column), None) is None
    refuse_if(empty, f"dataset: no text in the column {column!r}")
    if (named := evaluation_of(source, eval_source)) is not None:
        evaluated = named[0].texts(column, named[1], streaming=True)
    elif count is None:
        raise RecipeError(
            "max_eval_documents: a stream needs the number of documents to hold out; set it, or name an eval_dataset"
        )
    else:
        evaluated, texts = texts, texts.skip(count)
        empty = next(texts_of(texts, column), None) is None
        held = f"max_eval_documents: {count:,} would hold out the whole stream; lower it, or name an eval_dataset"
        refuse_if(empty, held)
    held_out = Dataset.from_list(list(evaluated if count is None else evaluated.take(count)))
    held_out, _ = without_blank(held_out, column)
    refuse_if(not len(held_out), f"eval_dataset: no text in the column {column!r}")
    if args.decontaminate:
        texts = without_shared_runs(texts, held_out, column, args.decontaminate)
    return Corpus(texts, held_out)


def evaluation_of(source: DataProvider, eval_source: DataProvider | None) -> tuple[DataProvider, str] | None:
    """The source and the split to evaluate on; `None`: there is none, and some documents are to be held out."""
    evaluated = eval_source or source
    splits = evaluated.splits()
    if eval_source is None and "validation" not in splits:
        return None
    return evaluated, next((split for split in ("validation", "test") if split in splits), splits[0])


def without_blank(texts: Dataset, column: str) -> tuple[Dataset, int]:
    """The documents that are neither null nor white space alone, and how many are."""
    sizes = [pc.utf8_length(pc.utf8_trim_whitespace(batch)).to_numpy() for batch in arrow_batches(texts, column)]
    kept = np.flatnonzero(np.concatenate([np.zeros(0, int), *sizes]))
    return (texts, 0) if len(kept) == len(texts) else (texts.select(kept), len(texts) - len(kept))


def cut(texts: Dataset, column: str) -> Dataset:
    """Long documents in pieces of some paragraphs (lines, words), at least fifty of them in all where there is as much text."""
    size = sum(len(text) for text in texts_of(texts, column))
    most = max(1, min(PIECE, int(size * HELD_OUT // 2)))
    return Dataset.from_dict({column: [p for text in texts_of(texts, column) for p in pieces(text, most)]})


def pieces(text: str, size: int) -> Iterator[str]:
    """A text in pieces of about `size` characters, cut behind a paragraph, else a line, a sentence, a word, whichever is near."""
    start = 0
    while start < len(text):
        end = start + size
        for mark in ("\n\n", "\n", ". ", " "):
            if (found := text.find(mark, end, end + 4 * size)) >= 0:
                end = found + len(mark)
                break
        else:
            if len(text) - end < size:
                end = len(text)
        if piece := text[start:end].strip():
            yield piece
        start = end


def without_shared_runs(texts: Any, eval_texts: Dataset, column: str, ngram: int) -> Any:
    """The documents, a `Dataset` or a stream, that share no run of `ngram` words with the evaluation's (Brown et al. 2020, appendix C)."""
    runs = NgramIndex(ngram, (words for text in eval_texts[column] if len(words := lower_words(text or "")) >= ngram))

    def clean(batch: dict[str, Any]) -> list[bool]:
        return [not runs.known or not runs.count(lower_words(text or "")) for text in batch[column]]

    cached = {} if isinstance(texts, IterableDataset) else {"load_from_cache_file": False}
    return texts.filter(clean, batched=True, batch_size=BATCH, **cached)


def first_bytes(texts: Dataset, column: str, most: int) -> Dataset:
    """The first documents that have at most `most` UTF-8 bytes together; at least one."""
    ends = np.cumsum(byte_lengths(texts, column))
    return texts.select(range(max(1, int(np.searchsorted(ends, most, "right")))))
