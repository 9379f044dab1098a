"""How fast a training is: tokens/s, MFU, bits per byte of what it reads, in every log of the Trainer and so in every tracker."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from silly_llm.core.errors import NotInstalledError, RecipeError, suggestion


class Throughput(TrainerCallback):
    """Measures training between logs. Evaluations, samples and checkpoints do not count.

    `ceiling`: operations a second of all devices together, and where that number is from. 0 `flops_per_token`: no MFU; 0
    `tokens_per_byte`: no bits per byte.
    """

    def __init__(
        self,
        tokens: Callable[[], int],
        flops_per_token: float = 0.0,
        ceiling: tuple[float, str] = (math.inf, ""),
        tokens_per_byte: float = 0.0,
    ) -> None:
        self.tokens, self.tokens_per_byte = tokens, tokens_per_byte
        self.cost = flops_per_token / ceiling[0]  # of a token, in seconds of the whole hardware
        self.ceiling = f"{ceiling[0] / 1e12:,.2f} TFLOP/s ({ceiling[1]})"
        self.total_seconds, self.total_tokens = 0.0, 0
        self._mark: tuple[float, int] | None = None

    def on_train_begin(self, args, state, control, **kwargs):
        self._mark = None

    on_evaluate = on_save = on_train_begin

    def on_step_begin(self, args, state, control, **kwargs):
        self._mark = self._mark or (time.perf_counter(), self.tokens())

    def figures(self, loss: float) -> dict[str, float]:
        """`tokens`, and since the last log, evaluation or checkpoint `tokens_per_second`, `mfu` (0 to 1) and `bits_per_byte`.

        The loss, in nats a token, becomes bits per byte by the tokens per byte of the text: near what an evaluation gives, which
        does not count the end of a text.
        """
        now, tokens = time.perf_counter(), self.tokens()
        figures: dict[str, float] = {"tokens": tokens}
        began, before = self._mark or (now, tokens)
        if tokens > before and now > began:
            self.total_seconds += now - began
            self.total_tokens += tokens - before
            figures |= self._rates(tokens - before, now - began)
            self._mark = (now, tokens)
        if self.tokens_per_byte:
            figures["bits_per_byte"] = loss / math.log(2) * self.tokens_per_byte
        return figures

    def overall(self) -> dict[str, Any]:
        """`tokens_per_second`, `mfu` and `mfu_ceiling` of all that was measured in this attempt; empty when nothing was."""
        if not self.total_seconds:
            return {}
        known = {"mfu_ceiling": self.ceiling} if self.cost else {}
        return {**self._rates(self.total_tokens, self.total_seconds), **known}

    def _rates(self, tokens: int, seconds: float) -> dict[str, float]:
        rate = tokens / seconds
        return {"tokens_per_second": round(rate, 1)} | ({"mfu": round(rate * self.cost, 4)} if self.cost else {})


def check_trackers(report_to: str | list[str] | None) -> None:
    """Raise a RecipeError where `report_to` names an unknown tracker, or one that is not installed."""
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK as KNOWN

    names = {report_to} if isinstance(report_to, str) else set(report_to or ())
    for name in sorted(names - {"none", "all"}):
        if name not in KNOWN:
            near = suggestion(name, KNOWN)
            raise RecipeError(f"report_to: unknown tracker {name!r}{near}; known: {', '.join(KNOWN)}")
        if name not in get_available_reporting_integrations():
            raise NotInstalledError(f"report_to: {name} is not installed: pip install {name}")
