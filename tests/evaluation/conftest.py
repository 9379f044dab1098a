"""A tiny Llama with its own tokenizer, and a few stories."""

from pathlib import Path

import pytest
from tiny import jsonl, tiny_llama

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
def stories_file(tmp_path_factory) -> Path:
    return jsonl(tmp_path_factory.mktemp("data") / "stories.jsonl", ({"text": story} for story in STORIES))


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> tuple[Path, Path]:
    """A random two-layer Llama with 48 positions and 300 tokens: as a base model, and tuned by its tokenizer's chat template alone."""
    from silly_llm.training.corpus.tokenizer import TokenizerConfig, train_tokenizer

    tokenizer = train_tokenizer(STORIES, TokenizerConfig(vocab_size=300), max_length=48)
    folder = tmp_path_factory.mktemp("models")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 48}
    base = tiny_llama(folder / "tiny", tokenizer, initializer_range=0.3, **sizes)
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ m.content }}\n{% endfor %}"
    return base, tiny_llama(folder / "tiny-chat", tokenizer, initializer_range=0.3, **sizes)


@pytest.fixture(scope="session")
def tiny_model(tiny_models) -> Path:
    return tiny_models[0]


@pytest.fixture(scope="session")
def model(tiny_model):
    """The base model, loaded for evaluation."""
    from silly_llm.evaluation.models.causal import LanguageModel

    return LanguageModel.load(str(tiny_model), name="tiny", device="cpu")
