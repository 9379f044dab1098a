"""The texts that a pretraining reads: its source, what is held out, cut and taken away, before they become tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from silly_llm.core.errors import RecipeError
from silly_llm.data.filters.decontamination import NgramIndex
from silly_llm.text.words import lower_words
from silly_llm.training.corpus.tokenizer import texts_of

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

    from silly_llm.data.sources import DataProvider
    from silly_llm.training.arguments import PretrainKeys

HELD_OUT = 0.02
"""Share of the documents evaluated on when the dataset has no split for it."""
BATCH = 1_000
"""Documents in memory at once."""
LONG = 20_000
"""UTF-8 bytes from which on a document is cut where there are too few to hold some out."""
PIECE = 4_000
"""Characters of a piece of such a document, about."""


@dataclass
class Corpus:
    """The documents of a pretraining."""

    train: Dataset | IterableDataset
    held_out: Dataset
    left_out: dict[str, int] = field(default_factory=dict)
    """Documents that are not trained on, by the reason."""
    notices: list[str] = field(default_factory=list)
    """What a user should know of how they were read."""


def read_texts(args: PretrainKeys, source: DataProvider, eval_source: DataProvider | None, seed: int) -> Corpus:
    """The documents to train and to evaluate on: the evaluation's own, the dataset's validation split, or held out.

    Raises:
        RecipeError: no documents, no such column, no texts in it, or nothing is left by `decontaminate`.
    """
    column = args.text_column
    texts, blank = without_blank(source.texts(column, "train"), column)
    if not len(texts):
        raise RecipeError(f"dataset: no text in the column {column!r}")
    corpus = Corpus(texts, texts, {"blank": blank})
    if eval_source is not None:
        splits = eval_source.splits()
        named = next((s for s in ("validation", "test") if s in splits), splits[0])
        corpus.held_out, _ = without_blank(eval_source.texts(column, named), column)
    elif "validation" in source.splits():
        corpus.held_out, _ = without_blank(source.texts(column, "validation"), column)
    else:
        few = len(texts) * HELD_OUT < 1
        if (few and text_bytes(texts, column) > LONG * len(texts)) or len(texts) == 1:
            count, texts = len(texts), cut(texts, column)
            corpus.notices.append(
                f"dataset: {count:,} long document{'s' * (count > 1)}, cut at paragraphs into {len(texts):,} so that some can be held out; "
                'another place to cut a txt file: --dataset.path FILE --dataset.separator "\\n" (a document a line)'
            )
        count = max(1, min(args.max_eval_documents or len(texts), round(HELD_OUT * len(texts))))
        if len(texts) <= count:
            raise RecipeError("dataset: too small to hold anything out; name an eval_dataset")
        split = texts.train_test_split(test_size=count, seed=seed)
        texts, corpus.held_out = split["train"], split["test"]
    if not len(corpus.held_out):
        raise RecipeError(f"eval_dataset: no text in the column {column!r}")
    if args.max_eval_documents is not None:
        corpus.held_out = corpus.held_out.select(range(min(args.max_eval_documents, len(corpus.held_out))))
    if args.decontaminate:
        count, texts = len(texts), without_shared_runs(texts, corpus.held_out, column, args.decontaminate)
        corpus.left_out["shared with the evaluation"] = count - len(texts)
    if args.max_bytes is not None:
        texts = first_bytes(texts, column, args.max_bytes)
    corpus.train = texts
    return corpus


def without_blank(texts: Dataset, column: str) -> tuple[Dataset, int]:
    """The documents that are neither null nor white space alone, and how many are."""
    import numpy as np
    import pyarrow.compute as pc

    masks = [pc.utf8_length(pc.utf8_trim_whitespace(batch)).to_numpy() > 0 for batch in batches(texts, column)]
    kept = np.flatnonzero(np.concatenate(masks)) if masks else np.empty(0, int)
    return (texts, 0) if len(kept) == len(texts) else (texts.select(kept), len(texts) - len(kept))


def cut(texts: Dataset, column: str) -> Dataset:
    """Long documents in pieces of some paragraphs (lines, words), at least fifty of them in all where there is as much text."""
    from datasets import Dataset

    size = sum(len(text) for text in texts_of(texts, column))
    most = max(1, min(PIECE, size * HELD_OUT // 2))
    return Dataset.from_dict({column: [p for text in texts_of(texts, column) for p in pieces(text, int(most))]})


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


def without_shared_runs(texts: Dataset, eval_texts: Dataset, column: str, ngram: int) -> Dataset:
    """The documents that share no run of `ngram` words with the evaluation's (Brown et al. 2020, appendix C).

    Raises:
        RecipeError: none is left.
    """
    kept = texts.filter(
        shares_no_run(eval_texts, column, ngram), batched=True, batch_size=BATCH, load_from_cache_file=False
    )
    if not len(kept):
        raise RecipeError(f"decontaminate: every document shares {ngram} words in a row with the evaluation set")
    return kept


def shares_no_run(eval_texts: Dataset, column: str, ngram: int) -> Callable[[dict[str, Any]], list[bool]]:
    """Which documents of a batch share no run of `ngram` words with the evaluation's."""
    runs = NgramIndex(ngram, (words for text in eval_texts[column] if len(words := lower_words(text or "")) >= ngram))

    def clean(batch: dict[str, Any]) -> list[bool]:
        return [not runs.known or not runs.count(lower_words(text or "")) for text in batch[column]]

    return clean


def read_stream(args: PretrainKeys, source: DataProvider, eval_source: DataProvider | None) -> Corpus:
    """As `read_texts`, but what is trained on is only opened; without a split to evaluate on, the first documents are held out.

    Raises:
        RecipeError: no documents, no such column, or `max_eval_documents` does not say how many to hold out, or holds out all.
    """
    from datasets import Dataset

    column = args.text_column
    texts = source.texts(column, "train", streaming=True)
    if next(texts_of(texts, column), None) is None:
        raise RecipeError(f"dataset: no text in the column {column!r}")
    count, evaluated = args.max_eval_documents, eval_source or source
    splits = evaluated.splits()
    if eval_source is not None or "validation" in splits:
        split = next((s for s in ("validation", "test") if s in splits), splits[0])
        named = evaluated.texts(column, split, streaming=True)
    elif count is None:
        raise RecipeError("max_eval_documents: a stream needs to know how many to hold out; or name an eval_dataset")
    else:
        named, texts = texts, texts.skip(count)
        if next(texts_of(texts, column), None) is None:
            raise RecipeError(
                f"max_eval_documents: {count:,} holds out all that the stream has; lower it, or name an eval_dataset"
            )
    held_out, _ = without_blank(Dataset.from_list(list(named if count is None else named.take(count))), column)
    if not len(held_out):
        raise RecipeError(f"eval_dataset: no text in the column {column!r}")
    if args.decontaminate:
        clean = shares_no_run(held_out, column, args.decontaminate)
        texts = texts.filter(clean, batched=True, batch_size=BATCH)
    return Corpus(texts, held_out)


def first_bytes(texts: Dataset, column: str, most: int) -> Dataset:
    """The first documents that have at most `most` UTF-8 bytes together; at least one."""
    import numpy as np

    sizes = np.concatenate([lengths.to_numpy() for lengths in byte_lengths(texts, column)])
    return texts.select(range(max(1, int(np.searchsorted(np.cumsum(sizes), most, "right")))))


def text_bytes(texts: Dataset, column: str) -> int:
    """UTF-8 bytes of all texts."""
    return sum(int(lengths.to_numpy().sum()) for lengths in byte_lengths(texts, column))


def byte_lengths(texts: Dataset, column: str) -> Any:
    """UTF-8 bytes of each text, a batch at a time: Arrow arrays, int64 [texts]."""
    import pyarrow.compute as pc

    for batch in batches(texts, column):
        yield pc.binary_length(batch).combine_chunks()


def batches(texts: Dataset, column: str) -> Any:
    """The texts, those that are null as empty ones, a batch at a time: Arrow arrays of strings."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for table in texts.select_columns([column]).with_format("arrow").iter(batch_size=BATCH):
        yield pc.fill_null(table.column(0).cast(pa.large_string()), "")
