"""What training needs to know of the engines that spread it over devices (docs/distributed.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from silly_llm.core.errors import RecipeError

if TYPE_CHECKING:
    from transformers import Trainer, TrainingArguments


@contextmanager
def whole_weights() -> Iterator[None]:
    """Models that are made in here are whole on every process also under ZeRO-3, which takes them apart when training begins.

    transformers makes them in shards wherever ZeRO-3 is configured, whatever `zero3_init_flag` says: their weights then are others
    than those of the same seed on one device, and neither scaling nor the isolation proof see matrices.
    """
    from transformers.integrations import deepspeed

    kept = deepspeed._hf_deepspeed_config_weak_ref
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = kept


def takes_matrices_apart(args: TrainingArguments) -> bool:
    """Whether FSDP or DeepSpeed is asked for, by the launcher or by the recipe."""
    launched = (os.environ.get(f"ACCELERATE_USE_{name}", "").lower() for name in ("FSDP", "DEEPSPEED"))
    return "true" in launched or bool(args.fsdp or args.deepspeed)


def require_engine(trainer: Trainer) -> None:
    """The engine that was asked for is the one that runs.

    Raises:
        RecipeError: accelerate left it out, as 1.15 does with FSDP on CPUs: it would replicate without a word.
    """
    running: dict[str, Any] = {"FSDP": trainer.is_fsdp_enabled, "DEEPSPEED": trainer.is_deepspeed_enabled}
    for name, runs in running.items():
        if os.environ.get(f"ACCELERATE_USE_{name}", "").lower() == "true" and not runs:
            raise RecipeError(
                f"use_cpu: {name} was asked for, but accelerate does not run it here; use ddp.yaml, or multi_cpu.yaml on CPUs"
            )
