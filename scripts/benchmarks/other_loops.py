"""The training loops of llama2.c and nanoGPT, run as they are from checkouts beside the project, for `pretraining.py`.

    git clone https://github.com/karpathy/llama2.c BESIDE/llama2.c; git clone https://github.com/karpathy/nanoGPT BESIDE/nanoGPT

Each `train.py` runs in a copy of its checkout with two changes: on CPUs, where both would compute in fp32, it gets the autocast of the
other contestants; and nanoGPT trains the Llama of transformers that the others train (llama2.c has the same one of its own). Their
tokens/s are those of the milliseconds that they print.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import re
import runpy
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

AS_ON_CPUS = re.compile(r"nullcontext\(\)\s+if device_type == ['\"]cpu['\"]\s+else ")
"""Both choose `nullcontext()` on a CPU; without it they take the autocast of the line's other half."""


def llama2c(
    checkout: Path,
    scratch: Path,
    tokens: np.ndarray,
    model: Any,
    steps: int,
    rows: int,
    warm_up: int,
    bf16: bool,
    compiled: bool,
) -> float:
    """Tokens a second of llama2.c's loop, with its own Llama of the same sizes.

    Args:
        checkout: of llama2.c.
        scratch: an empty folder.
        tokens: token ids, int64 [rows, length].
        model: a Llama of transformers: its sizes count.
        steps: to train.
        rows: of a batch.
        warm_up: steps that do not count.
        bf16: compute in bf16.
        compiled: let the loop compile its model.
    """
    folder, config = copied(checkout, scratch, bf16), model.config
    shards = folder / "data" / f"tok{config.vocab_size}"
    shards.mkdir(parents=True)
    for name in ("data00", "data01"):  # the first one is for its evaluation
        tokens.astype(np.uint16).tofile(shards / f"{name}.bin")
    sys.modules.setdefault("sentencepiece", stand_in("sentencepiece", "SentencePieceProcessor"))
    options = {
        **shared_options(rows, steps, bf16, compiled), "max_seq_len": tokens.shape[1], "vocab_source": "custom", "vocab_size": config.vocab_size,
        "dim": config.hidden_size, "n_layers": config.num_hidden_layers, "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads,
    }  # fmt: skip
    return rate_of(folder, options, warm_up, rows * tokens.shape[1])


def nanogpt(
    checkout: Path,
    scratch: Path,
    tokens: np.ndarray,
    model: Any,
    steps: int,
    rows: int,
    warm_up: int,
    bf16: bool,
    compiled: bool,
) -> float:
    """Tokens a second of nanoGPT's loop around this model; arguments as of `llama2c`."""
    import torch
    from torch.nn.functional import cross_entropy

    folder = copied(checkout, scratch, bf16)
    data = folder / "data" / "race"
    data.mkdir(parents=True)
    for name in ("train", "val"):
        tokens.astype(np.uint16).tofile(data / f"{name}.bin")
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": model.config.vocab_size}))
    own = runpy.run_path(str(folder / "model.py"))["GPT"]

    class Llama(torch.nn.Module):
        def __init__(self, _: Any) -> None:
            super().__init__()
            self.model = model.train()
            self.config = types.SimpleNamespace(block_size=tokens.shape[1])

        def forward(self, ids: Any, targets: Any) -> Any:
            logits = self.model(input_ids=ids, use_cache=False).logits
            return logits, cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

        configure_optimizers = own.configure_optimizers

        def estimate_mfu(self, *_: Any) -> float:
            return 0.0

    module = stand_in("model", "GPT", "GPTConfig")
    vars(module).update(GPT=Llama, GPTConfig=dict)
    sys.modules["model"] = module
    options = {**shared_options(rows, steps, bf16, compiled), "block_size": tokens.shape[1], "dataset": "race"}
    return rate_of(folder, options, warm_up, rows * tokens.shape[1])


def copied(checkout: Path, scratch: Path, bf16: bool) -> Path:
    """A copy of a checkout whose loop computes on CPUs as on GPUs."""
    folder = scratch / checkout.name
    shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".git"))
    if bf16:
        source, changes = AS_ON_CPUS.subn("", (folder / "train.py").read_text())
        assert changes == 1, "train.py is not the one that this benchmark knows"
        (folder / "train.py").write_text(source)
    return folder


def shared_options(rows: int, steps: int, bf16: bool, compiled: bool) -> dict[str, Any]:
    import torch

    return {
        "batch_size": rows, "gradient_accumulation_steps": 1, "max_iters": steps, "eval_iters": 1, "eval_interval": 10 * steps,
        "learning_rate": 1e-3, "warmup_iters": 1, "compile": compiled, "device": "cuda" if torch.cuda.is_available() else "cpu",
        "dtype": "bfloat16" if bf16 else "float32",
    }  # fmt: skip


def rate_of(folder: Path, options: dict[str, Any], warm_up: int, tokens: int) -> float:
    """Run a `train.py` and read the milliseconds of each step from what it prints."""
    said, argv, home = io.StringIO(), sys.argv, Path.cwd()
    sys.path.insert(0, str(folder))
    sys.argv = ["train.py", *(f"--{key}={value}" for key, value in options.items())]
    try:
        os.chdir(folder)
        with contextlib.redirect_stdout(said):
            runpy.run_path("train.py", run_name="__main__")
    finally:
        os.chdir(home)
        sys.argv = argv
        sys.path.remove(str(folder))
    found = [float(text) for text in re.findall(r"([\d.]+)ms", said.getvalue())][warm_up:]
    return 1000 * tokens * len(found) / sum(found)


def stand_in(name: str, *attributes: str) -> types.ModuleType:
    """A module that the loop imports and does not use."""
    module = types.ModuleType(name)
    for attribute in attributes:
        setattr(module, attribute, None)
    return module
