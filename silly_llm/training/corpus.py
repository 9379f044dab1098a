"""The texts that a pretraining reads: its source, what is held out, cut and taken away, before they become tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from silly_llm.data.decontamination import Runs
from silly_llm.errors import RecipeError
from silly_llm.text.words import lower_words
from silly_llm.training.tokenizer import require_column, texts_of

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

    from silly_llm.data.sources import DataProvider
    from silly_llm.training.arguments import PretrainKeys

HELD_OUT = 0.02
"""Share of the documents evaluated on when the dataset has no split for it."""
BATCH = 1_000
"""Documents in memory at once."""


def read_texts(
    args: PretrainKeys, source: DataProvider, eval_source: DataProvider | None, seed: int
) -> tuple[Dataset, Dataset]:
    """The documents to train and to evaluate on: the evaluation's own, the dataset's validation split, or held out.

    Raises:
        RecipeError: no documents, no such column, or nothing is left by `decontaminate`.
    """
    texts = source.load("train")
    if next(texts_of(texts, args.text_column), None) is None:
        raise RecipeError(f"dataset: no text in the column {args.text_column!r}")
    if eval_source is not None:
        splits = eval_source.splits()
        eval_texts = eval_source.load(next((s for s in ("validation", "test") if s in splits), splits[0]))
    elif "validation" in source.splits():
        eval_texts = source.load("validation")
    else:
        count = max(1, min(args.max_eval_documents or len(texts), round(HELD_OUT * len(texts))))
        if len(texts) <= count:
            raise RecipeError("dataset: too small to hold anything out; name an eval_dataset")
        split = texts.train_test_split(test_size=count, seed=seed)
        texts, eval_texts = split["train"], split["test"]
    require_column(eval_texts, args.text_column)
    if args.max_eval_documents is not None:
        eval_texts = eval_texts.select(range(min(args.max_eval_documents, len(eval_texts))))
    if args.decontaminate:
        texts = without_shared_runs(texts, eval_texts, args.text_column, args.decontaminate)
    if args.max_bytes is not None:
        texts = first_bytes(texts, args.text_column, args.max_bytes)
    return texts, eval_texts


def without_shared_runs(texts: Dataset, eval_texts: Dataset, column: str, ngram: int) -> Dataset:
    """The documents that share no run of `ngram` words with the evaluation's (Brown et al. 2020, appendix C).

    Raises:
        RecipeError: none is left.
    """
    kept = texts.filter(
        shares_no_run(eval_texts, column, ngram), batched=True, batch_size=BATCH, load_from_cache_file=False
    )
    if not len(kept):
        raise RecipeError(
            f"decontaminate: every document shares {ngram} words in a row with the evaluation set"
        )
    return kept


def shares_no_run(eval_texts: Dataset, column: str, ngram: int) -> Callable[[dict[str, Any]], list[bool]]:
    """Which documents of a batch share no run of `ngram` words with the evaluation's."""
    runs = Runs(
        ngram, (words for text in eval_texts[column] if len(words := lower_words(text or "")) >= ngram)
    )

    def clean(batch: dict[str, Any]) -> list[bool]:
        return [not runs.known or not runs.count(lower_words(text or "")) for text in batch[column]]

    return clean


def read_stream(
    args: PretrainKeys, source: DataProvider, eval_source: DataProvider | None
) -> tuple[IterableDataset, Dataset]:
    """As `read_texts`, but what is trained on is only opened; without a split to evaluate on, the first documents are held out.

    Raises:
        RecipeError: no documents, no such column, or `max_eval_documents` does not say how many to hold out.
    """
    from datasets import Dataset

    texts = source.stream("train")
    if next(texts_of(texts, args.text_column), None) is None:
        raise RecipeError(f"dataset: no text in the column {args.text_column!r}")
    count, evaluated = args.max_eval_documents, eval_source or source
    splits = evaluated.splits()
    if eval_source is not None or "validation" in splits:
        named = evaluated.stream(next((s for s in ("validation", "test") if s in splits), splits[0]))
    elif count is None:
        raise RecipeError(
            "max_eval_documents: a stream needs to know how many to hold out; or name an eval_dataset"
        )
    else:
        named, texts = texts, texts.skip(count)
    eval_texts = Dataset.from_list(list(named if count is None else named.take(count)))
    require_column(eval_texts, args.text_column)
    if args.decontaminate:
        clean = shares_no_run(eval_texts, args.text_column, args.decontaminate)
        texts = texts.filter(clean, batched=True, batch_size=BATCH)
    return texts, eval_texts


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
    import pyarrow as pa
    import pyarrow.compute as pc

    for table in texts.select_columns([column]).with_format("arrow").iter(batch_size=BATCH):
        filled = pc.fill_null(table.column(0).cast(pa.large_string()), "")
        yield pc.binary_length(filled).combine_chunks()
