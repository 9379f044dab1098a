"""How fast a training is: tokens/s, MFU, bits per byte of what it reads, in every log of the Trainer and so in every tracker."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from silly_llm.core.errors import NotInstalledError, RecipeError, suggestion
from silly_llm.training.flops import ceiling, training_flops_per_token


class Throughput(TrainerCallback):
    """Measures training between logs. Evaluations, samples and checkpoints do not count.

    Args:
        tokens: tokens seen, from the Trainer's state.
        flops_per_token: operations of training on a token; 0: no MFU.
        ceiling: operations a second of all devices together; 0: no MFU.
        ceiling_source: where that number is from.
        tokens_per_byte: of the text; 0: no bits per byte.
    """

    def __init__(
        self,
        tokens: Callable[[TrainerState], int],
        *,
        flops_per_token: float = 0.0,
        ceiling: float = 0.0,
        ceiling_source: str = "",
        tokens_per_byte: float = 0.0,
    ) -> None:
        self.tokens, self.tokens_per_byte = tokens, tokens_per_byte
        self.cost = flops_per_token / ceiling if ceiling else 0.0  # of a token, in seconds of the whole hardware
        self.ceiling = f"{ceiling / 1e12:,.2f} TFLOP/s ({ceiling_source})" if ceiling else ""
        self.total_seconds, self.total_tokens = 0.0, 0
        self._mark = (0.0, 0)
        self._begins = True

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._begins = True

    on_evaluate = on_save = on_train_begin

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._begins:
            self._mark, self._begins = (time.perf_counter(), self.tokens(state)), False

    def figures(self, state: TrainerState, loss: float) -> dict[str, float]:
        """`tokens`, and since the last log, evaluation or checkpoint `tokens_per_second`, `mfu` (0 to 1) and `bits_per_byte`.

        The loss, in nats a token, becomes bits per byte by the tokens per byte of the text: near what an evaluation gives, which
        does not count the end of a text.
        """
        now, tokens = time.perf_counter(), self.tokens(state)
        figures: dict[str, float] = {"tokens": tokens}
        seconds, seen = now - self._mark[0], tokens - self._mark[1]
        if seen > 0 and seconds > 0:
            self.total_seconds, self.total_tokens = self.total_seconds + seconds, self.total_tokens + seen
            figures |= self._rates(seen, seconds)
            self._mark = (now, tokens)
        if self.tokens_per_byte:
            figures["bits_per_byte"] = loss / math.log(2) * self.tokens_per_byte
        return figures

    def overall(self) -> dict[str, Any]:
        """`tokens_per_second`, `mfu` and `mfu_ceiling` of all that was measured in this attempt; empty when nothing was."""
        if not self.total_seconds:
            return {}
        named = {"mfu_ceiling": self.ceiling} if self.cost else {}
        return self._rates(self.total_tokens, self.total_seconds) | named

    def _rates(self, tokens: int, seconds: float) -> dict[str, float]:
        rate = tokens / seconds
        return {"tokens_per_second": round(rate, 1)} | ({"mfu": round(rate * self.cost, 4)} if self.cost else {})


def throughput_of(
    model: Any, args: TrainingArguments, tokens: Callable[[TrainerState], int], *, length: int, tokens_per_byte: float
) -> Throughput:
    """The throughput of a training that reads rows of `length` tokens; measures the ceiling of a device that is not known."""
    dtype = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else torch.float32
    best, source = ceiling(args.device, dtype)
    return Throughput(
        tokens,
        flops_per_token=training_flops_per_token(model, length),
        ceiling=best * args.world_size,
        ceiling_source=source,
        tokens_per_byte=tokens_per_byte,
    )


class LogsThroughput:
    """Mixin of a `transformers.Trainer`: adds the figures of `throughput` to the logs, before trackers and callbacks see them."""

    throughput: Throughput | None = None
    state: TrainerState

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if self.throughput is not None and "loss" in logs:
            logs |= self.throughput.figures(self.state, logs["loss"])
        super().log(logs, start_time)  # type: ignore[misc]


def check_trackers(report_to: str | list[str] | None) -> None:
    """Every tracker that `report_to` names exists and is installed.

    Raises:
        RecipeError: unknown, or not installed, with the command that installs it.
    """
    from transformers.integrations import get_available_reporting_integrations
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in [report_to] if isinstance(report_to, str) else report_to or []:
        if name in ("none", "all"):
            continue
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(INTEGRATION_TO_CALLBACK)
            raise RecipeError(
                f"report_to: unknown tracker {name!r}{suggestion(name, INTEGRATION_TO_CALLBACK)}; known: {known}"
            )
        if name not in get_available_reporting_integrations():
            raise NotInstalledError(f"report_to: {name} is not installed: pip install {name}")
