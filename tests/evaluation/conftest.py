"""A tiny Llama with its own tokenizer, and a few stories."""

from pathlib import Path

import pytest

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


@pytest.fixture(scope="session")
def stories() -> list[str]:
    return STORIES


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A random two-layer Llama with 48 positions and a byte-level tokenizer of 300 tokens, saved."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|bos|>", "<|eos|>", "<|pad|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(STORIES, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=special[0], eos_token=special[1], pad_token=special[2]
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=48, bos_token_id=0, eos_token_id=1, pad_token_id=2, initializer_range=0.3,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("models") / "tiny"
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_chat_model(tiny_model, tmp_path_factory) -> Path:
    """The same model, tuned by its tokenizer's chat template alone."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ m.content }}\n{% endfor %}"
    folder = tmp_path_factory.mktemp("models") / "tiny-chat"
    AutoModelForCausalLM.from_pretrained(tiny_model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def stories_file(tmp_path_factory) -> Path:
    import json

    file = tmp_path_factory.mktemp("data") / "stories.jsonl"
    file.write_text("".join(json.dumps({"text": story}) + "\n" for story in STORIES), encoding="utf-8")
    return file
