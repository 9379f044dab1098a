"""What ends a training, and a learning rate schedule over its progress: by steps or, with a time limit, by its clock."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from transformers import get_scheduler

from silly_llm.core.errors import RecipeError
from silly_llm.training.callbacks.log import Clock
from silly_llm.training.keys import refuse_if

SCHEDULE_POINTS = 100_000
"""A schedule fitted to time is a function of progress, sampled at so many points."""


def limit_steps(args: Any, steps_per_epoch: int | None) -> str:
    """Set `args.max_steps` to the first of the budgets that are counted in steps to come; says what ends the training.

    `max_steps`, `max_tokens` (of pretraining), `num_train_epochs` and `max_minutes` are budgets where a recipe sets them. Where none is
    set, `num_train_epochs` has its default: 3 in tuning, `passes_of` the text in pretraining. A stream has no epochs.
    """
    budgets = {}
    if args.asked_steps is not None:
        budgets["max_steps"] = args.asked_steps
    if getattr(args, "max_tokens", None) is not None:
        budgets["max_tokens"] = math.ceil(args.max_tokens / args.tokens_per_step)
    if steps_per_epoch is not None and (args.asked_epochs or (not budgets and args.max_minutes is None)):
        budgets["num_train_epochs"] = math.ceil(args.num_train_epochs * steps_per_epoch)
    ends = []
    if budgets:
        name = min(budgets, key=lambda key: budgets[key])
        args.max_steps = budgets[name]
        value = args.asked_steps if name == "max_steps" else getattr(args, name)
        ends.append(f"after {args.max_steps:,} steps ({name}: {round(value, 2):,})")
    if args.max_minutes is not None:
        ends.append(f"after {args.max_minutes:g} minutes (max_minutes)")
    return "ends " + " or ".join(ends) + (", whichever is first" if len(ends) > 1 else "")


def check_schedule(args: Any) -> None:
    """Raise a RecipeError where the schedule does not take the options that it is given, or lacks some that it needs."""
    name, options = args.lr_scheduler_type.value, {**(args.lr_scheduler_kwargs or {})}
    if args.decay_fraction is not None:
        other = "leave it out (decay_fraction: null) or take warmup_stable_decay"
        refuse_if(name != "warmup_stable_decay", f"decay_fraction: {name} has no decay of its own; {other}")
        options["num_decay_steps"] = 1
    try:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=1.0)
        get_scheduler(name, optimizer, 1, 10, options)
    except (TypeError, ValueError) as error:
        hint = "; it needs decay_fraction" if "num_decay_steps" in str(error) else ""
        raise RecipeError(f"lr_scheduler_kwargs: {name}: {error}{hint}") from None


def schedule_of(args: Any, optimizer: torch.optim.Optimizer, max_steps: int, clock: Clock) -> LRScheduler:
    """The schedule that `args.lr_scheduler_type` names, over steps or, where the clock has a limit, over its progress.

    A warmup of 1 or more is one of steps, also under the clock.
    """
    timed = clock.limit is not None
    points = SCHEDULE_POINTS if timed else max_steps
    options: dict[str, Any] = {**(args.lr_scheduler_kwargs or {})}
    if args.decay_fraction is not None:
        options["num_decay_steps"] = round(args.decay_fraction * points)
    warmup, by_steps = args.get_warmup_steps(points), timed and args.warmup_steps >= 1
    scheduler = get_scheduler(args.lr_scheduler_type, optimizer, 0 if by_steps else warmup, points, options)
    if not timed or not isinstance(scheduler, LambdaLR):
        return scheduler
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"]
    ramp = warmup if by_steps and args.lr_scheduler_type != "constant" else 0  # which has no warmup

    def follow(rate: Any) -> Any:
        return lambda step: (
            (min(1.0, step / ramp) if ramp else 1.0) * rate(round(clock.progress(step, max_steps) * SCHEDULE_POINTS))
        )

    return LambdaLR(optimizer, [follow(rate) for rate in scheduler.lr_lambdas])
