"""What our trainers of transformers and TRL share: the clock, the schedule, the optimizer, logs, and checkpoints that can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import rotate_checkpoints

from silly_llm.core.console.signals import Stopped, deferred
from silly_llm.core.errors import RunError
from silly_llm.training.callbacks.log import Clock, Samples, TrainingLog
from silly_llm.training.callbacks.progress import Progress
from silly_llm.training.callbacks.throughput import Throughput
from silly_llm.training.checkpoints import PARTIAL, UNFINISHED, checkpoints_in, seal
from silly_llm.training.keys import engine_of, refuse_if
from silly_llm.training.optim.base import OptimizerFactory
from silly_llm.training.optim.schedule import schedule_of


class SmallModelTraining:
    """Mixin of a `transformers.Trainer`; a time limit, if there is one, ends it, and its schedule follows the clock.

    `prompts` are texts to continue, or chat messages to answer, at each evaluation; without an `optimizer_factory` the Trainer makes
    its optimizer, by `optim`; without a `throughput` tokens/s are measured alone.
    """

    args: Any
    state: Any
    model: Any
    optimizer: Any
    lr_scheduler: Any
    saved: int | None = None
    """The step of the last checkpoint of this attempt."""

    def __init__(
        self,
        *,
        args: Any,
        prompts: Sequence[Any] = (),
        optimizer_factory: OptimizerFactory | None = None,
        throughput: Throughput | None = None,
        callbacks: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        self.optimizer_factory = optimizer_factory
        self.clock = Clock(args.max_minutes, evaluates=kwargs.get("eval_dataset") is not None)
        self.throughput = throughput or Throughput(self.tokens)
        shown = [
            TrainingLog(args.output_dir, self.clock, self.tokens),
            Progress(self.clock),
            Samples(args.output_dir, kwargs.get("processing_class"), prompts, args.sample_tokens),
        ]
        super().__init__(args=args, callbacks=[self.clock, *callbacks, self.throughput, *shown], **kwargs)  # type: ignore[call-arg]
        self.remove_callback(PrinterCallback)  # type: ignore[attr-defined]  # Progress prints
        # accelerate leaves FSDP on CPUs out, as of 1.15: it would replicate without a word
        left_out = engine_of(args) == "FSDP" and not self.is_fsdp_enabled  # type: ignore[attr-defined]
        instead = "accelerate does not support it here; use ddp.yaml, or multi_cpu.yaml on CPUs"
        refuse_if(left_out, f"use_cpu: FSDP was asked for, but {instead}")

    def use(self, callbacks: Sequence[Any]) -> None:
        """Add the callbacks of a recipe: of `transformers.TrainerCallback`, or what makes one of the trainer by `create`."""
        for callback in callbacks:
            self.add_callback(callback.create(self) if hasattr(callback, "create") else callback)  # type: ignore[attr-defined]

    def tokens(self) -> int:
        """Tokens that the training has seen."""
        raise NotImplementedError

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's; `Stopped` by a signal, in every process after the same step."""
        with deferred():
            result = super().train(*args, **kwargs)  # type: ignore[misc]
            self.check_weights()
        if self.clock.signal:
            step = self.state.global_step
            lost = "" if self.saved == step else ", which was not saved"
            raise Stopped(f"after step {step:,}{lost}", self.clock.signal)
        return result

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """With the figures of `throughput`, before trackers and callbacks see them; never a loss that is NaN or infinite."""
        for name in ("loss", "eval_loss", "train_loss"):
            if not math.isfinite(logs.get(name, 0.0)):
                self.diverged(f"the {name.replace('_', ' ')} became {logs[name]}", logs)
        if "loss" in logs:
            logs |= self.throughput.figures(logs["loss"])
        super().log(logs, start_time)  # type: ignore[misc]

    def check_weights(self) -> None:
        """Before weights are saved: they are the ones to keep, and every one is a number, on all processes.

        Schedule-free optimizers put their averaged weights into the model: the Trainer has them do so for evaluations only.
        """
        if callable(getattr(self.optimizer, "eval", None)):
            self.optimizer.eval()
        finite = torch.ones((), device=self.args.device)
        for parameter in self.model.parameters():
            held = getattr(parameter, "ds_tensor", parameter)  # of ZeRO-3
            held = held.to_local() if hasattr(held, "to_local") else held  # of FSDP
            finite *= torch.isfinite(held.detach()).all().to(finite)
        if self.args.world_size > 1:
            torch.distributed.all_reduce(finite, op=torch.distributed.ReduceOp.MIN)
        if not finite:
            self.diverged("weights became infinite or NaN", {})

    def diverged(self, what: str, logs: dict[str, float]) -> None:
        """Stop, in every process, and say where: nothing waited for the device to look at each step."""
        step, history = self.state.global_step, self.state.log_history
        good = max((entry["step"] for entry in history if "loss" in entry), default=0)
        norms = [entry["grad_norm"] for entry in (*history, logs) if "grad_norm" in entry]
        facts = [f"{self.tokens():,} tokens", f"learning rate {self.optimizer.param_groups[0]['lr']:.3g}"]
        facts += [f"last logged gradient norm {norms[-1]:.3g}"] if norms else []
        kept = next(iter(checkpoints_in(self.args.output_dir)), None)
        raise RunError(
            f"the training diverged: {what} {f'between steps {good + 1} and' if step > good + 1 else 'at step'} {step} ({', '.join(facts)}); "
            f"{f'the last good checkpoint is {kept}' if kept else 'no checkpoint was saved before'}; try a lower learning_rate"
        )

    def create_optimizer(self, model: Any = None) -> Optimizer:
        if self.optimizer is None and self.optimizer_factory is not None:
            self.optimizer = self.optimizer_factory.create(model or self.model, self.args)
        return super().create_optimizer(model)  # type: ignore[misc]

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LRScheduler:
        """The schedule that `lr_scheduler_type` names, over steps or, with a time limit, over the clock's progress."""
        if self.lr_scheduler is None:
            self.lr_scheduler = schedule_of(self.args, optimizer or self.optimizer, num_training_steps, self.clock)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        args, step = self.args, self.state.global_step
        if self.saved == step:  # sealed, and the same
            return
        self.check_weights()
        run = Path(self._get_output_dir(trial))  # type: ignore[attr-defined]
        folder = run / f"checkpoint-{step}"
        if args.should_save:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / UNFINISHED).touch()
        limit, save = args.save_total_limit, self.state.save_to_json
        args.save_total_limit = None  # none before it goes until this one is sealed
        self.state.save_to_json = lambda path: save(f"{path}{PARTIAL}")
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
        finally:
            args.save_total_limit, self.state.save_to_json = limit, save
        seal(folder, args)
        self.saved = step
        if args.should_save:
            best = self.state.best_model_checkpoint
            rotate_checkpoints(str(run), limit, best_model_checkpoint=best, use_mtime=True)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Without the pickle of the arguments, which nothing reads and a password in a dataset's URL would be in."""
        super()._save(output_dir, state_dict)  # type: ignore[misc]
        Path(output_dir or self.args.output_dir, TRAINING_ARGS_NAME).unlink(missing_ok=True)

    def _load_callback_state(self) -> None:
        """The clock goes on. The Trainer would put another in its place, without limit, which nobody else looks at."""
        kept = self.state.stateful_callbacks.get(type(self.clock).__name__)
        if kept:
            self.clock.before = kept["attributes"]["before"]
