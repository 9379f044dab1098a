"""Trainings in this process are single ones, and read the same few texts."""

from pathlib import Path

import pytest
from tiny_runs import TEXTS, write_texts


@pytest.fixture(autouse=True)
def single(monkeypatch):
    """As one process, whatever an earlier test launched."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def stories(tmp_path_factory) -> Path:
    """160 short texts of a few words: learned in seconds."""
    texts = [
        f"{name} had {count} {pet}s. {name} was happy."
        for name in ("Tom", "Mia") for pet in ("dog", "hen") for count in range(40)
    ]  # fmt: skip
    return write_texts(tmp_path_factory.mktemp("stories") / "stories.jsonl", texts)


@pytest.fixture(scope="session")
def tokenizer():
    """A byte-level BPE of 300 tokens, trained on `TEXTS`."""
    from silly_llm.training.corpus.tokenizer import TokenizerConfig, train_tokenizer

    return train_tokenizer(TEXTS, TokenizerConfig(vocab_size=300), max_length=48)
