"""A learning rate schedule over the progress of a training: by steps or, with a time limit, by its clock."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from transformers import get_scheduler

from silly_llm.core.errors import RecipeError
from silly_llm.training.callbacks.log import Clock

UNLIMITED = 1_000_000_000
"""Steps of a training that only its time limit ends."""
SCHEDULE_POINTS = 100_000
"""A schedule fitted to time is a function of progress, sampled at so many points."""


def limit_steps(args: Any, steps_per_epoch: int | None) -> str:
    """Set `args.max_steps` to the first of the budgets that are counted in steps to come; says what ends the training.

    `max_steps`, `max_tokens` (of pretraining), `num_train_epochs` and `max_minutes` are budgets where a recipe sets them. Where none is
    set, `num_train_epochs` has its default: 3 in tuning, `passes_of` the text in pretraining.

    Args:
        args: a `PretrainArguments` or `SftArguments`.
        steps_per_epoch: `None` for a stream, which has no epochs.

    Raises:
        RecipeError: a share of all steps is asked for, and only time ends the training.
    """
    budgets = {}
    if args.asked_steps is not None:
        budgets["max_steps"] = args.asked_steps
    if getattr(args, "max_tokens", None) is not None:
        budgets["max_tokens"] = math.ceil(args.max_tokens / args.tokens_per_step)
    if steps_per_epoch is not None and (args.asked_epochs or (not budgets and args.max_minutes is None)):
        budgets["num_train_epochs"] = math.ceil(args.num_train_epochs * steps_per_epoch)
    said = []
    if budgets:
        name = min(budgets, key=lambda key: budgets[key])
        args.max_steps = budgets[name]
        value = args.asked_steps if name == "max_steps" else getattr(args, name)
        said.append(f"after {args.max_steps:,} steps ({name}: {round(value, 2):,})")
    if args.max_minutes is not None:
        said.append(f"after {args.max_minutes:g} minutes (max_minutes)")
    return "ends " + " or ".join(said) + (", whichever is first" if len(said) > 1 else "")


def keep_budgets(args: Any) -> None:
    """Remember which budgets a recipe sets, before the Trainer's own arguments are made of them.

    Raises:
        RecipeError: a share of all steps is asked for, and only time ends the training.
    """
    args.asked_steps = args.max_steps if args.max_steps > 0 else None
    args.asked_epochs = args.num_train_epochs is not None
    args.num_train_epochs = 3.0 if args.num_train_epochs is None else args.num_train_epochs
    if args.max_minutes is None or args.asked_steps or args.asked_epochs or getattr(args, "max_tokens", None):
        return
    args.max_steps = UNLIMITED
    for key, strategy in (("logging_steps", "logging"), ("eval_steps", "eval"), ("save_steps", "save")):
        chosen = getattr(args, f"{strategy}_strategy")
        if getattr(chosen, "value", chosen) == "steps" and 0 < (getattr(args, key) or 0) < 1:
            raise RecipeError(f"{key}: only time ends this training, so there is no share of all steps; give steps")


def check_schedule(args: Any) -> None:
    """The schedule takes the options that it is given, and has those that it needs.

    Raises:
        RecipeError: it does not.
    """
    name, options = args.lr_scheduler_type.value, {**(args.lr_scheduler_kwargs or {})}
    if args.decay_fraction is not None:
        if name != "warmup_stable_decay":
            raise RecipeError(
                f"decay_fraction: {name} has no decay of its own; leave it out (decay_fraction: null) or take warmup_stable_decay"
            )
        options["num_decay_steps"] = 1
    try:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=1.0)
        get_scheduler(name, optimizer, 1, 10, options)
    except (TypeError, ValueError) as error:
        hint = "; it needs decay_fraction" if "num_decay_steps" in str(error) else ""
        raise RecipeError(f"lr_scheduler_kwargs: {name}: {error}{hint}") from None


class FollowsClock:
    """Mixin of a `transformers.Trainer`: `clock` ends it, and `decay_fraction` says how long warmup_stable_decay decays."""

    clock: Clock
    decay_fraction: float | None
    args: Any
    optimizer: Any
    lr_scheduler: Any

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LRScheduler:
        """The schedule that `lr_scheduler_type` names, over steps or, with a time limit, over the clock's progress."""
        if self.lr_scheduler is None:
            points = num_training_steps if self.clock.limit is None else SCHEDULE_POINTS
            specific: dict[str, Any] = {**(self.args.lr_scheduler_kwargs or {})}
            if self.decay_fraction is not None:
                specific["num_decay_steps"] = round(self.decay_fraction * points)
            optimizer = optimizer or self.optimizer
            warmup = self.args.get_warmup_steps(points)
            by_steps = self.clock.limit is not None and self.args.warmup_steps >= 1
            scheduler = get_scheduler(
                self.args.lr_scheduler_type,
                optimizer=optimizer,
                num_warmup_steps=0 if by_steps else warmup,
                num_training_steps=points,
                scheduler_specific_kwargs=specific,
            )
            if self.clock.limit is not None and isinstance(scheduler, LambdaLR):
                ramps = by_steps and self.args.lr_scheduler_type != "constant"  # which has no warmup
                scheduler = self._by_clock(scheduler, num_training_steps, warmup if ramps else 0)
            self.lr_scheduler = scheduler
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _by_clock(self, scheduler: LambdaLR, max_steps: int, warmup: int) -> LambdaLR:
        """The schedule over the clock's progress; a warmup of so many steps is one of steps."""
        for group in scheduler.optimizer.param_groups:
            group["lr"] = group["initial_lr"]

        def follow(rate: Any) -> Any:
            return lambda step: (
                (min(1.0, step / max(1, warmup)) if warmup else 1.0)
                * rate(round(self.clock.progress(step, max_steps) * SCHEDULE_POINTS))
            )

        return LambdaLR(scheduler.optimizer, [follow(rate) for rate in scheduler.lr_lambdas])
