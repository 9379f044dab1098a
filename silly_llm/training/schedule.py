"""A learning rate schedule over the progress of a training: by steps or, with a time limit, by its clock."""

from __future__ import annotations

from typing import Any

from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from transformers import get_scheduler

from silly_llm.training.callbacks import Clock

SCHEDULE_POINTS = 100_000
"""A schedule fitted to time is a function of progress, sampled at so many points."""


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
            scheduler = get_scheduler(
                self.args.lr_scheduler_type,
                optimizer=optimizer,
                num_warmup_steps=self.args.get_warmup_steps(points),
                num_training_steps=points,
                scheduler_specific_kwargs=specific,
            )
            if self.clock.limit is not None and isinstance(scheduler, LambdaLR):
                scheduler = self._by_clock(scheduler, num_training_steps)
            self.lr_scheduler = scheduler
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _by_clock(self, scheduler: LambdaLR, max_steps: int) -> LambdaLR:
        for group in scheduler.optimizer.param_groups:
            group["lr"] = group["initial_lr"]

        def follow(rate: Any) -> Any:
            return lambda step: rate(round(self.clock.progress(step, max_steps) * SCHEDULE_POINTS))

        return LambdaLR(scheduler.optimizer, [follow(rate) for rate in scheduler.lr_lambdas])
