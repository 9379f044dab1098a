"""What stands between a training and a spoilt checkpoint: losses that are not finite, weights that are not the ones to keep."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from silly_llm.core.errors import RunError
from silly_llm.training.checkpoints import checkpoints_in


class StopAtNaN(TrainerCallback):
    """Ends a training whose loss is not finite, or whose weights are not when they are about to be saved.

    Losses are looked at where they are logged, weights before each checkpoint and at the end: nothing waits for the device at each
    step. It stands before the callbacks that write logs, so that none of them holds a NaN.

    Args:
        tokens: tokens seen, from the Trainer's state.

    Raises:
        RunError: in every process, with the step, the rate, the gradient norm and the last good checkpoint.
    """

    def __init__(self, tokens: Callable[[TrainerState], int]) -> None:
        self.tokens = tokens
        self.good = 0  # the last step whose loss was a number
        self.norm: float | None = None  # of the gradients, when it was last logged

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.good = state.global_step

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        logs = logs or {}
        self.norm = logs.get("grad_norm", self.norm)
        for name in ("loss", "eval_loss", "train_loss"):
            if not math.isfinite(logs.get(name, 0.0)):
                self.stop(args, state, f"the {name.replace('_', ' ')} became {logs[name]}", kwargs["optimizer"])
        if "loss" in logs:
            self.good = state.global_step

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if control.should_save:
            self.check_weights(args, state, **kwargs)

    on_epoch_end = on_step_end

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.check_weights(args, state, **kwargs)

    def check_weights(
        self, args: TrainingArguments, state: TrainerState, model: Any, optimizer: Any, **_: Any
    ) -> None:
        if not weights_are_finite(model, args):
            self.stop(args, state, "weights became infinite or NaN", optimizer)

    def stop(self, args: TrainingArguments, state: TrainerState, what: str, optimizer: Any) -> None:
        step = state.global_step
        between = f"between steps {self.good + 1} and {step}" if step > self.good + 1 else f"at step {step}"
        facts = [f"{self.tokens(state):,} tokens", f"learning rate {optimizer.param_groups[0]['lr']:.3g}"]
        facts += [f"last logged gradient norm {self.norm:.3g}"] if self.norm is not None else []
        kept = next(iter(checkpoints_in(str(args.output_dir))), None)
        raise RunError(
            f"the training diverged: {what} {between} ({', '.join(facts)}); "
            f"{f'the last good checkpoint is {kept}' if kept else 'no checkpoint was saved before'}; try a lower learning_rate"
        )


class SaveAverages(TrainerCallback):
    """Has schedule-free optimizers put their averaged weights into the model before a checkpoint and at the end.

    The Trainer switches such an optimizer to `train()` at each step and to `eval()` for evaluations, but not for saving. Others have no
    such switch, and nothing happens.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if control.should_save:
            self.switch(kwargs["optimizer"])

    on_epoch_end = on_step_end

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.switch(kwargs["optimizer"])

    @staticmethod
    def switch(optimizer: Any) -> None:
        if callable(getattr(optimizer, "eval", None)):
            optimizer.eval()


def weights_are_finite(model: Any, args: TrainingArguments) -> bool:
    """Whether every weight is a number, on all processes; each looks at what it holds."""
    finite = torch.ones((), device=args.device)
    for parameter in model.parameters():
        held = getattr(parameter, "ds_tensor", parameter)  # of ZeRO-3
        held = held.to_local() if hasattr(held, "to_local") else held  # of FSDP
        finite *= torch.isfinite(held.detach()).all().to(finite)
    if args.world_size > 1:
        torch.distributed.all_reduce(finite, op=torch.distributed.ReduceOp.MIN)
    return bool(finite)
