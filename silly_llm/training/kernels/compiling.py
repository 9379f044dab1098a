"""Compiling a model layer by layer (regional compilation): the code of one layer serves all of them.

On two cores that takes some 20 seconds the first time (5 later) where a whole model takes 40 to 70, and gains nearly as much: so it is done
unasked where a training is long enough to earn it back (docs/lab-log.md).
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from shutil import which
from typing import Any

import torch

from silly_llm.training.flops import training_flops_per_token
from silly_llm.training.keys import UNLIMITED

LONG_FLOPS, LONG_MINUTES = 1e14, 8.0
"""A training of fewer operations (eight minutes of two cores, about) is more than half over when compiling is earned back."""


def compile_layers(model: Any) -> int:
    """Compile each layer of a transformers model in place, at its first call; names of weights stay. How many layers there are."""
    names = set(model._no_split_modules or ())
    layers = [module for module in model.modules() if type(module).__name__ in names]
    for layer in layers:
        layer.compile()
    return len(layers)


def is_worth_compiling(trainer: Any) -> bool:
    """Whether the layers of a `PackedTrainer` are compiled: as the recipe says, else on CPUs where it can be done and is earned back."""
    args = trainer.args
    if args.compile_layers is not None:
        return args.compile_layers
    sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    if not args.use_cpu or args.torch_compile or sharded or missing_compiler():
        return False
    tokens: float | None = None  # where only time ends it
    if args.max_steps <= 0:
        tokens = args.num_train_epochs * len(trainer.train_dataset) * args.max_length
    elif args.max_steps != UNLIMITED:
        tokens = args.max_steps * args.tokens_per_step
    if not is_long(trainer.model, args.max_length, tokens, args.max_minutes):
        return False
    torch._dynamo.config.suppress_errors = True  # unasked for, it must not stop a training
    return True


def is_long(model: Any, length: int, tokens: float | None, minutes: float | None) -> bool:
    """Whether compiling is earned back, by the same rule on every machine, so that a resumed training decides as it did.

    `length` is in tokens of a row, `tokens` of the whole training (`None` where only time ends it).
    """
    enough_time = minutes is None or minutes >= LONG_MINUTES
    return enough_time and (tokens is None or tokens * training_flops_per_token(model, length) >= LONG_FLOPS)


def missing_compiler() -> str | None:
    """What compiling for CPUs lacks here: a C++ compiler, or the headers of Python; `None` if nothing."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if not which(compiler):
        return f"a C++ compiler, and there is no {compiler}"
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return "the headers of Python (python3-dev), and there is no Python.h"
    return None
