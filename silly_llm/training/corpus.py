"""The texts that a pretraining reads: its source, what is held out, cut and taken away, before they become tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from silly_llm.data.decontamination import Runs
from silly_llm.errors import RecipeError
from silly_llm.text.words import lower_words
from silly_llm.training.tokenizer import require_column, texts_of

if TYPE_CHECKING:
    from datasets import Dataset

    from silly_llm.data.sources import DataProvider
    from silly_llm.training.arguments import PretrainKeys

HELD_OUT = 0.02
"""Share of the documents evaluated on when the dataset has no split for it."""


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
    runs = Runs(
        ngram, (words for text in eval_texts[column] if len(words := lower_words(text or "")) >= ngram)
    )
    if not runs.known:
        return texts

    def clean(batch: dict[str, list[Any]]) -> list[bool]:
        return [not runs.count(lower_words(text or "")) for text in batch[column]]

    kept = texts.filter(clean, batched=True, load_from_cache_file=False)
    if not len(kept):
        raise RecipeError(
            f"decontaminate: every document shares {ngram} words in a row with the evaluation set"
        )
    return kept


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

    for table in texts.select_columns([column]).with_format("arrow").iter(batch_size=1_000):
        filled = pc.fill_null(table.column(0).cast(pa.large_string()), "")
        yield pc.binary_length(filled).combine_chunks()
