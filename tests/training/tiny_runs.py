"""Tiny pretrainings, and what they left."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tiny import jsonl

from silly_llm.training.callbacks.log import read_lines

TINY = {
    "model": "silly-tiny", "tokenizer.vocab_size": 270, "max_length": 32, "tokens_per_step": 256, "max_steps": 12, "use_cpu": True,
    "logging_steps": 3, "sample_prompts": "[]",
}  # fmt: skip

ADJECTIVES, NOUNS = ("red", "big", "sad"), ("cat", "hen")
TEXTS = [f"The {a} {n} saw a {b} dog. It ran to the {n}." for a in ADJECTIVES for n in NOUNS for b in ("old", "wet")]


def write_texts(path: Path, texts: Iterable[str | None]) -> Path:
    return jsonl(path, ({"text": text} for text in texts))


def arguments(dataset: object, folder: object, /, **more: object) -> list[str]:
    """The command line of a tiny pretraining."""
    values = TINY | {"dataset": dataset, "output_dir": folder} | more
    return [f"--{key}={value}" for key, value in values.items() if value is not None]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "model.safetensors")


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def log_of(folder: Path, key: str = "loss") -> list[dict[str, Any]]:
    """The lines of the training log that have a key."""
    return [line for line in read_lines(Path(folder) / "training_log.jsonl") if key in line]


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in log_of(folder)]


def facts(folder: Path) -> dict[str, Any]:
    return json.loads((Path(folder) / "provenance.json").read_text())


def as_if_killed(folder: Path, *lost: int) -> None:
    """A finished training as it was before these checkpoints were saved."""
    for step in lost:
        shutil.rmtree(folder / f"checkpoint-{step}", ignore_errors=True)
    run = folder / ".silly" / "run.json"
    run.write_text(json.dumps(json.loads(run.read_text()) | {"finished": False}))
