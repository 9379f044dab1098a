"""The tokenizer of a model trained from scratch: trained on the corpus, an existing one cut to it, or an existing one as it is.

The first two are byte-level BPE with our special tokens.

Begin, end and padding are three tokens: with pad = eos the loss would ignore the end of a story, and the model would
never stop. The chat roles are reserved from the start, so that tuning does not have to resize the embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from silly_llm.core.errors import RecipeError, RunError, first_line
from silly_llm.core.lookup import find
from silly_llm.core.schema import check
from silly_llm.training.corpus.texts import texts_of
from silly_llm.training.corpus.trimming import trim

SPECIAL_TOKENS = ("<|bos|>", "<|eos|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>")
"""Ids 0 to 5, in this order."""


@dataclass
class TokenizerConfig:
    """A tokenizer to train, or an existing one to cut."""

    vocab_size: int = 2048
    """Tokens in all, the special ones and the 256 bytes included; fewer where the texts have too few pairs for a trained one."""
    pretrained: str | None = None
    """A folder or Hub id: cut this byte-level BPE to its `vocab_size` most common tokens, instead of training one."""
    min_frequency: int = 2
    """How often a pair must occur to become a token of a trained one."""
    max_documents: int | None = 100_000
    """Documents to train it, or to count its tokens, on; null: all."""

    def __post_init__(self) -> None:
        if self.vocab_size < 256 + len(SPECIAL_TOKENS):
            raise RecipeError(f"vocab_size: must be at least {256 + len(SPECIAL_TOKENS)}, got {self.vocab_size}")


def check_tokenizer(spec: str | dict[str, Any]) -> TokenizerConfig | None:
    """The checked config of a tokenizer to make; `None` when the spec names one to take as it is."""
    return None if isinstance(spec, str) else check(spec, TokenizerConfig, where="tokenizer")


def make_tokenizer(spec: str | dict[str, Any], dataset: Any, text_column: str, max_length: int) -> Any:
    """Load the tokenizer that a recipe names, cut it to the dataset, or train one on the dataset.

    Raises:
        RecipeError, RunError: it cannot be loaded or cut to `vocab_size`, or lacks an end-of-text token.
    """
    config = check_tokenizer(spec)
    if config is None:
        tokenizer, missing = load(str(spec)), {}
        if tokenizer.eos_token is None:
            raise RunError(f"tokenizer: {spec!r} has no end-of-text token")
        if tokenizer.bos_token is None:
            missing["bos_token"] = SPECIAL_TOKENS[0]
        if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
            missing["pad_token"] = SPECIAL_TOKENS[2]
        if missing:
            tokenizer.add_special_tokens(missing)
        return tokenizer
    documents = dataset if config.max_documents is None else dataset.take(config.max_documents)
    texts = texts_of(documents, text_column)
    if config.pretrained is not None:
        trimmed = trim(load(config.pretrained), texts, config.vocab_size, SPECIAL_TOKENS)
        return with_special_tokens(trimmed, max_length)
    trained = train_tokenizer(texts, config, max_length=max_length)
    if (size := len(trained)) < config.vocab_size:
        print(
            f"tokenizer: {size:,} tokens instead of {config.vocab_size:,}: the dataset has no more pairs that occur at least "
            f"{config.min_frequency} times",
            flush=True,
        )
    return trained


def load(name: str) -> Any:
    """An existing tokenizer: of a folder or of the Hub; a RecipeError or RunError where it cannot be loaded."""
    found = find(name, "tokenizer: ")
    try:
        return AutoTokenizer.from_pretrained(found)
    except (OSError, ValueError) as error:
        raise RunError(f"tokenizer: cannot load {name!r}: {first_line(error)}") from error


def train_tokenizer(texts: Iterable[str], config: TokenizerConfig, *, max_length: int) -> PreTrainedTokenizerBase:
    """Train a byte-level BPE on documents, which are read once; fewer tokens than asked for, where they have too few pairs.

    `tokenizer(text)` puts `<|bos|>` before the text and nothing after it; its `model_max_length` is `max_length`.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    options: dict[str, Any] = {"vocab_size": config.vocab_size, "min_frequency": config.min_frequency}
    options |= {
        "special_tokens": list(SPECIAL_TOKENS),
        "initial_alphabet": sorted(pre_tokenizers.ByteLevel.alphabet()),
    }
    bpe.train_from_iterator(texts, trainers.BpeTrainer(**options, show_progress=False))
    return with_special_tokens(bpe, max_length)


def with_special_tokens(bpe: Any, max_length: int) -> PreTrainedTokenizerBase:
    """A `tokenizers.Tokenizer` that has `SPECIAL_TOKENS` first, as transformers has them."""
    bpe.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", pair="<|bos|> $A $B", special_tokens=[("<|bos|>", 0)]
    )
    ends: Any = dict(zip(("bos_token", "eos_token", "pad_token"), SPECIAL_TOKENS, strict=False))
    ends |= {"extra_special_tokens": list(SPECIAL_TOKENS[3:]), "model_max_length": max_length, "padding_side": "left"}
    return PreTrainedTokenizerFast(tokenizer_object=bpe, clean_up_tokenization_spaces=False, **ends)
