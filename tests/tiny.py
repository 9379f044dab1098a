"""Tiny tokenizers and models, and rows in a file."""

import json
from collections.abc import Iterable
from pathlib import Path


def jsonl(path: Path, rows: Iterable[object]) -> Path:
    """Write rows as JSON Lines; gives the path."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def byte_level_bpe(texts: Iterable[str], special: list[str], **options):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    options |= {"special_tokens": special, "initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    raw.train_from_iterator(texts, trainers.BpeTrainer(show_progress=False, **options))
    return raw


def tiny_tokenizer(extra=(), chat_template: str | None = None):
    """A tokenizer of bytes, <|bos|>, <|eos|>, <|pad|> and `extra`."""
    from transformers import PreTrainedTokenizerFast

    special = ["<|bos|>", "<|eos|>", "<|pad|>", *extra]
    raw = byte_level_bpe([], special)
    names = dict(zip(("bos_token", "eos_token", "pad_token"), special, strict=False))
    names |= {"extra_special_tokens": list(extra), "chat_template": chat_template}
    return PreTrainedTokenizerFast(tokenizer_object=raw, **names)


def tiny_llama(folder: Path, tokenizer, **sizes) -> Path:
    """A random Llama with its tokenizer, saved: one layer, 16 wide, 64 positions by default."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    LlamaForCausalLM(LlamaConfig(**{"max_position_embeddings": 64, **small, **ids, **sizes})).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def constant_llama(folder: Path) -> Path:
    """A model to which every text is the same: one token, with the same probability."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<p>", "unk_token": "<unk>"}
    raw = Tokenizer(WordLevel({name: i for i, name in enumerate(names.values())}, unk_token="<unk>"))
    return tiny_llama(folder, PreTrainedTokenizerFast(tokenizer_object=raw, **names))
