"""Do documents in a row see each other? Asked of the very model that is about to be trained, on its device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from silly_llm.core.errors import RecipeError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROBE = 24
"""Tokens of each of the two documents; fewer where the context is shorter."""


def require_isolation(model: PreTrainedModel, max_length: int) -> None:
    """Refuse a model in which a document changes what comes after it in the row.

    Two rows differ in their first document only. Whatever is computed for the second one goes through the same kernels in the
    same shapes, so it must come out the same to the last bits; a leak shows as a difference of 0.01 to 0.2 (docs/lab-log.md).

    Raises:
        RecipeError: architecture and attention together leak, or the architecture takes no `position_ids`.
    """
    difference = leak(model, max_length)
    if difference > 1e-5:
        config = model.config
        raise RecipeError(
            f"attn_implementation: {config.model_type} with {config._attn_implementation!r} lets the documents of a row see each other "
            f"(logits differ by {difference:.2g}); choose another attention or model, or isolate_documents: false"
        )


@torch.no_grad()
def leak(model: PreTrainedModel, max_length: int) -> float:
    """How far the logits of a row's second document depend on its first one: the largest difference, 0 when they do not."""
    length = min(PROBE, max_length // 2)
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(model.config.vocab_size, (3, length), generator=draw)
    rows = torch.stack([torch.cat([ids[0], ids[2]]), torch.cat([ids[1], ids[2]])]).to(model.device)
    positions = torch.arange(length, device=model.device).repeat(2)
    training = model.training
    model.eval()
    half = torch.autocast(model.device.type, torch.bfloat16, enabled="flash" in str(model.config._attn_implementation))
    try:
        # One row at a time: some kernels take another path for rows of a batch.
        with half:
            logits = [
                model(input_ids=row[None], position_ids=positions[None], use_cache=False).logits[0, length:]
                for row in rows
            ]
    except TypeError as error:
        raise RecipeError(
            f"model: {model.config.model_type} cannot keep the documents of a row apart ({error})"
        ) from None
    finally:
        model.train(training)
    return float((logits[0].float() - logits[1].float()).abs().max())
