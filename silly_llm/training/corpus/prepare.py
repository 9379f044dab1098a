"""What a pretraining trains on, ready: texts, tokenizer, tokens and rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.folders.files import PRIVATE
from silly_llm.training.corpus.documents import read_stream, read_texts, text_bytes
from silly_llm.training.corpus.packing import PackedRows, pack
from silly_llm.training.corpus.streaming import StreamedRows, place_of
from silly_llm.training.corpus.tokenizer import make_tokenizer
from silly_llm.training.corpus.tokens import tokenize
from silly_llm.training.model.pretrained import pretrained_config, pretrained_of, pretrained_tokenizer

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

    from silly_llm.data.sources import DataProvider


@dataclass
class Prepared:
    """Tokenizer and rows of a pretraining."""

    tokenizer: Any
    rows: PackedRows | StreamedRows
    eval_rows: PackedRows
    eval_bytes: int
    """UTF-8 bytes of the evaluation texts."""
    tokens_per_byte: float
    """Of the evaluation texts; begin and end of a text are no text."""
    documents: int | None
    """Documents to train on; `None`: they are streamed."""
    split: int | None
    """Documents of these that are longer than a row and lie in several pieces; `None`: they are streamed."""
    left_out: dict[str, int]
    """Documents that are not trained on, by the reason."""


def prepare(args: Any, source: DataProvider, eval_source: DataProvider | None, checkpoint: str | None) -> Prepared:
    """Read, tokenize and pack; or open the stream, at the place where the checkpoint left it.

    Args:
        args: a `PretrainArguments`.
        source: the texts to train on.
        eval_source: those to evaluate on.
        checkpoint: what the training resumes from.
    """
    if args.streaming:
        corpus = read_stream(args, source, eval_source)
    else:
        corpus = read_texts(args, source, eval_source, args.seed)
    texts, eval_texts = corpus.train, corpus.held_out
    if args.process_index == 0:
        for notice in corpus.notices:
            print(notice, flush=True)
    tokenizer = prepare_tokenizer(args, texts)
    column, length = args.text_column, args.max_length
    rows: PackedRows | StreamedRows
    split = None
    if args.streaming:
        rows = StreamedRows(
            texts,
            tokenizer,
            text_column=column,
            max_length=length,
            packing=args.packing,
            isolate=args.isolate_documents,
            seed=args.seed if args.data_seed is None else args.data_seed,
            place=place_of(checkpoint),
        )
    else:
        tokens = tokenize(texts, tokenizer, text_column=column)
        rows = pack(tokens, max_length=length, packing=args.packing, isolate=args.isolate_documents)
        split = int((tokens.lengths > length).sum())
    eval_tokens = tokenize(eval_texts, tokenizer, text_column=column)
    size = text_bytes(eval_texts, column)
    return Prepared(
        tokenizer=tokenizer,
        rows=rows,
        eval_rows=pack(eval_tokens, max_length=length),
        eval_bytes=size,
        tokens_per_byte=(eval_tokens.count - 2 * len(eval_tokens.lengths)) / size,
        documents=None if args.streaming else len(texts),
        split=split,
        left_out={reason: count for reason, count in corpus.left_out.items() if count},
    )


def prepare_tokenizer(args: Any, texts: Dataset | IterableDataset) -> Any:
    """The tokenizer: a pretrained model's own; else one that is kept in the output folder, for the other processes and for resuming."""
    from transformers import AutoTokenizer

    if base := pretrained_of(args.model):
        return pretrained_tokenizer(base, pretrained_config(base, args.max_length))
    kept = Path(str(args.output_dir)) / PRIVATE / "tokenizer"
    if (kept / "tokenizer.json").is_file():
        return AutoTokenizer.from_pretrained(kept)
    tokenizer = make_tokenizer(args.tokenizer, texts, args.text_column, args.max_length)
    if args.process_index == 0:
        partial = kept.with_name("tokenizer.partial")
        tokenizer.save_pretrained(partial)
        partial.rename(kept)
    return tokenizer
