"""What a pretraining trains on, ready: texts, tokenizer, tokens and rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoTokenizer

from silly_llm.core.folders.files import PRIVATE
from silly_llm.training.corpus.documents import read_stream, read_texts
from silly_llm.training.corpus.packing import PackedRows, pack
from silly_llm.training.corpus.streaming import StreamedRows, place_of
from silly_llm.training.corpus.texts import byte_lengths
from silly_llm.training.corpus.tokenizer import make_tokenizer
from silly_llm.training.corpus.tokens import tokenize
from silly_llm.training.model.pretrained import pretrained_config, pretrained_of, pretrained_tokenizer

if TYPE_CHECKING:
    from silly_llm.data.sources import DataProvider


@dataclass
class Prepared:
    """Tokenizer and rows of a pretraining."""

    tokenizer: Any
    rows: Any  # `PackedRows`, or `StreamedRows`
    eval_rows: PackedRows
    eval_bytes: int  # UTF-8, of the evaluation texts
    tokens_per_byte: float  # of the evaluation texts; begin and end of a text do not count
    documents: int | None  # to train on; `None`: they are streamed
    split: int  # documents of these that are longer than a row and lie in several pieces
    left_out: dict[str, int]  # documents that are not trained on, by the reason

    def counted(self) -> str:
        """Documents and rows, in words."""
        if self.documents is None:
            return "documents as they come"
        split = f" ({self.split:,} longer than a row: split)" if self.split else ""
        split += "".join(f" ({count:,} left out: {reason})" for reason, count in self.left_out.items())
        return f"{self.documents:,} documents{split} in {len(self.rows):,} rows"

    def facts(self) -> dict[str, Any]:
        """The same for provenance and card; of a stream the blank documents that were met."""
        streamed = self.documents is None
        left_out = {"blank": self.rows.blank} if streamed else self.left_out
        return {
            "documents": "streamed" if streamed else self.documents,
            **({} if streamed else {"documents_split": self.split}),
            **{f"documents_left_out_{reason.replace(' ', '_')}": count for reason, count in left_out.items()},
        }

    def first_texts(self) -> list[str]:
        """Some of the texts that the model is evaluated on; a card tells their language."""
        rows = (self.eval_rows[i] for i in range(min(20, len(self.eval_rows))))
        return [self.tokenizer.decode(piece, skip_special_tokens=True) for row in rows for piece in row]


def prepare(args: Any, *sources: DataProvider, checkpoint: str | None = None) -> Prepared:
    """Read, tokenize and pack what `PretrainArguments` say; or open the stream, at the place where the checkpoint left it."""
    corpus = (read_stream if args.streaming else read_texts)(args, *sources)
    if args.process_index == 0:
        for notice in corpus.notices:
            print(notice, flush=True)
    tokenizer = prepare_tokenizer(args, corpus.train)
    column, length, layout = args.text_column, args.max_length, (args.packing, args.isolate_documents)
    rows: PackedRows | StreamedRows
    if args.streaming:
        seed, place = args.seed if args.data_seed is None else args.data_seed, place_of(checkpoint)
        rows, split = StreamedRows(corpus.train, tokenizer, column, length, *layout, seed=seed, place=place), 0
    else:
        tokens = tokenize(corpus.train, tokenizer, text_column=column)
        rows, split = pack(tokens, length, *layout), int((tokens.lengths > length).sum())
    eval_tokens = tokenize(corpus.held_out, tokenizer, text_column=column)
    size = int(byte_lengths(corpus.held_out, column).sum())
    return Prepared(
        tokenizer=tokenizer,
        rows=rows,
        eval_rows=pack(eval_tokens, length),
        eval_bytes=size,
        tokens_per_byte=(len(eval_tokens.ids) - 2 * len(eval_tokens.lengths)) / size,
        documents=None if args.streaming else len(corpus.train),
        split=split,
        left_out={reason: count for reason, count in corpus.left_out.items() if count},
    )


def prepare_tokenizer(args: Any, texts: Any) -> Any:
    """The tokenizer: a pretrained model's own; else one that is kept in the output folder, for the other processes and for resuming."""
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
