"""What training needs to know of the engines that spread it over devices (docs/distributed.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


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
