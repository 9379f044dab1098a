"""What training needs to know of the engines that spread it over devices (docs/distributed.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from silly_llm.training.keys import refuse_if


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


def is_launched(engine: str) -> bool:
    """Whether the launcher asks for `FSDP` or `DEEPSPEED`."""
    return os.environ.get(f"ACCELERATE_USE_{engine}", "").lower() == "true"


def takes_matrices_apart(args: Any) -> bool:
    """Whether FSDP or DeepSpeed is asked for, by the launcher or by the recipe."""
    return is_launched("FSDP") or is_launched("DEEPSPEED") or bool(args.fsdp or args.deepspeed)


def check_engine(trainer: Any) -> None:
    """The engine that was asked for is the one that runs, and the optimizer works under it.

    Raises:
        RecipeError: accelerate left it out, as 1.15 does with FSDP on CPUs: it would replicate without a word; or the
            optimizer needs whole parameters, which (or whose states) are in shards.
    """
    running = {"FSDP": trainer.is_fsdp_enabled, "DEEPSPEED": trainer.is_deepspeed_enabled}
    factory = trainer.optimizer_factory
    for engine, runs in running.items():
        refuse_if(
            is_launched(engine) and not runs,
            f"use_cpu: {engine} was asked for, but accelerate does not run it here; use ddp.yaml, or multi_cpu.yaml on CPUs",
        )
        refuse_if(
            runs and factory is not None and factory.replicated_only,
            f"optimizer: {trainer.args.optimizer!r} needs whole matrices, which {engine.replace('DEEPSPEED', 'DeepSpeed')} takes "
            "apart; use adamw",
        )
