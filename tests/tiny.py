"""A few stories, tiny tokenizers and tiny models."""

from __future__ import annotations

from pathlib import Path

STORIES = [
    "Once upon a time there was a small dog. The dog liked to jump.\n\nHe was happy.",
    "One day Ann found a red ball. She said, “What a nice ball!” 🎈 Then she ran home, and she learned to share.",
    "Tom had a kite. The kite flew up, up, up. Then the wind stopped and the kite fell down. Tom was very sad.",
    "The café was closed. " + "So the cat went for a walk and saw a bird in a tall tree. " * 8,
    "A",
    "Once upon a time a girl named Mia wanted to bake a cake. Her mom helped her, and they ate it together.",
    "In a small house near the sea lived an old man. He sang a song every day, and the fish came to listen.",
    "Ben and Sue played with a big box. It was a ship, a house and a car. They played until it was dark.",
]


def tiny_tokenizer(texts=(), size: int = 0, extra=(), chat_template: str | None = None):
    """A byte-level tokenizer with <|bos|>, <|eos|>, <|pad|> and `extra`; of `size` tokens by training, where there are texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<|bos|>", "<|eos|>", "<|pad|>", *extra]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"special_tokens": special, "initial_alphabet": alphabet, "show_progress": False}
    raw.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size or len(special) + len(alphabet), **options))
    names = dict(zip(("bos_token", "eos_token", "pad_token"), special, strict=False))
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, extra_special_tokens=list(extra), chat_template=chat_template, **names
    )


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
