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

from silly_llm.core.errors import NotInstalledError
from silly_llm.training.flops import training_flops_per_token

LONG_FLOPS, LONG_MINUTES = 1e14, 8.0
"""A training of fewer operations (eight minutes of two cores, about) is more than half over when compiling is earned back."""


def compile_layers(model: Any) -> int:
    """Compile each layer of a transformers model in place, at its first call; names of weights stay. How many layers there are."""
    layers = layers_of(model)
    for layer in layers:
        layer.compile()
    return len(layers)


def layers_of(model: Any) -> list[Any]:
    """The blocks that a transformers model repeats."""
    names = set(model._no_split_modules or ())
    return [module for module in model.modules() if type(module).__name__ in names]


def is_long(model: Any, length: int, tokens: float | None, minutes: float | None) -> bool:
    """Whether compiling is earned back, by the same rule on every machine, so that a resumed training decides as it did.

    Args:
        model: what trains.
        length: tokens of a row.
        tokens: of the whole training; `None` where only time ends it.
        minutes: its time limit.
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


def require_compiler(key: str) -> None:
    """Stop where a recipe asks by this key for what cannot be compiled.

    Raises:
        NotInstalledError: in one line.
    """
    if (missing := missing_compiler()) is not None:
        raise NotInstalledError(f"{key}: on a CPU it needs {missing}; install it or leave out {key}")
