"""Do documents in a row see each other? Asked of the very model that is about to be trained, on its device."""

from __future__ import annotations

from typing import Any

import torch

from silly_llm.core.errors import RecipeError

PROBE = 24
"""Tokens of each of the two documents; fewer where the context is shorter."""


@torch.no_grad()
def require_isolation(model: Any, max_length: int, device: torch.device | None = None) -> None:
    """Refuse a model in which a document changes what comes after it in the row.

    Two rows differ in their first document only. Whatever is computed for the second one goes through the same kernels in the
    same shapes, so it must come out the same to the last bits; a leak shows as a difference of 0.01 to 0.2 (docs/lab-log.md).

    Raises:
        RecipeError: architecture and attention together leak, or the architecture takes no `position_ids`.
    """
    config, home, training = model.config, model.device, model.training
    device = device or home
    length = min(PROBE, max_length // 2)
    draw = torch.Generator().manual_seed(0)
    first, other, second = torch.randint(config.vocab_size, (3, length), generator=draw).to(device)
    positions = torch.arange(length, device=device).repeat(2)[None]
    half = torch.autocast(device.type, torch.bfloat16, enabled="flash" in str(config._attn_implementation))
    model.to(device).eval()
    logits = []
    try:
        with half:
            for before in (first, other):  # one row at a time: some kernels take another path for rows of a batch
                row = torch.cat([before, second])[None]
                logits.append(model(input_ids=row, position_ids=positions, use_cache=False).logits[0, length:].float())
    except TypeError as error:
        raise RecipeError(f"model: {config.model_type} cannot keep the documents of a row apart ({error})") from None
    finally:
        model.to(home).train(training)  # where the engine expects it
    difference = float((logits[0] - logits[1]).abs().max())
    if difference > 1e-5:
        raise RecipeError(
            f"attn_implementation: {config.model_type} with {config._attn_implementation!r} lets the documents of a row see each other "
            f"(logits differ by {difference:.2g}); choose another attention or model, or isolate_documents: false"
        )
