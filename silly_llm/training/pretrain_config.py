"""The configuration of a pretraining: `transformers.TrainingArguments` and our own keys."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from logging import LogRecord, getLogger
from typing import Any

import torch
from transformers import IntervalStrategy, SchedulerType, TrainingArguments
from transformers.training_args import OptimizerNames

from silly_llm.core.devices import computes_in_bf16
from silly_llm.core.errors import RecipeError
from silly_llm.training.arguments import PretrainKeys
from silly_llm.training.kernels.compiling import require_compiler
from silly_llm.training.keys import PRETRAIN, check_numbers, refuse_keys
from silly_llm.training.model.pretrained import pretrained_of
from silly_llm.training.optim.schedule import check_schedule, keep_budgets, limit_steps
from silly_llm.training.resuming import check_run
from silly_llm.training.trainers.engines import takes_matrices_apart

ROWS_AT_ONCE = {"cpu": 16, "cuda": 64}
"""Rows of a device batch when the recipe does not say."""


PASSES = 4.0
"""Passes over the text where no budget is set: until then repeated text teaches nearly as much as new (Muennighoff et al. 2023)."""


TOKENS_PER_PARAMETER = 20
"""Enough tokens where no budget is set (Hoffmann et al. 2022)."""


@dataclass
class PretrainArguments(PretrainKeys, TrainingArguments):
    """All keys of `transformers.TrainingArguments`, flat, and ours. Defaults differ from its where listed."""

    output_dir: str | None = field(default="pretrain", metadata={"help": "Where the model folder goes."})
    per_device_train_batch_size: int | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Rows a device sees at once; default: as tokens_per_step allows."}
    )
    gradient_accumulation_steps: int | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Device batches of a step; default: as tokens_per_step says."}
    )
    do_train: bool = True
    resume_from_checkpoint: str | bool | None = field(  # type: ignore[assignment]
        default=None,
        metadata={"help": "A checkpoint's folder, or true: the newest must be there; default: the newest, if any."},
    )
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "Rows a device evaluates at once."})
    bf16: bool | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "bf16 autocast; default: where the device computes in bf16."}
    )
    # What recipes/base/pretrain.yaml says, for trainings without a recipe; a test holds the two together.
    optim: OptimizerNames | str | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "An optimizer of the Trainer, in place of ours."}
    )
    learning_rate: float | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Default: 2e-3; of a pretrained model 2e-4."}
    )
    lr_scheduler_type: SchedulerType | str = field(default="warmup_stable_decay")
    warmup_steps: float = field(default=0.02, metadata={"help": "Steps; below 1: a share of all."})
    logging_steps: float = field(default=50)
    eval_strategy: IntervalStrategy | str = field(default="steps")
    eval_steps: float | None = field(default=200)
    eval_on_start: bool | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Evaluate before the first step; default: of a pretrained model."}
    )
    save_steps: float = field(default=200)
    save_total_limit: int | None = field(default=2)
    seed: int = field(default=0)
    num_train_epochs: float | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Passes over the text; default: 4, or until 20 tokens a parameter were seen."}
    )
    report_to: str | list[str] | None = field(default="none", metadata={"help": "Trackers, such as tensorboard."})

    @classmethod
    def refuse(cls, given: dict[str, Any]) -> None:
        """Refuse keys that do nothing here (`silly_llm.training.keys`)."""
        refuse_keys(given, PRETRAIN)

    def __post_init__(self) -> None:
        if not self.dataset:
            raise RecipeError("the key 'dataset' is missing")
        check_run(self)
        self.check_card()
        if self.decay_fraction is not None and not 0 <= self.decay_fraction <= 1:
            raise RecipeError(f"decay_fraction: expected a number from 0 to 1, got {self.decay_fraction}")
        if not self.isolate_documents and self.packing != "concatenate":
            raise RecipeError("isolate_documents: documents see each other only with packing: concatenate")
        self.set_defaults()
        if self.streaming:
            self.check_streaming()
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        check_numbers(self)
        if self.use_cpu:
            os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed warns of finding no GPU
        if self.bf16 is None:
            self.bf16 = not self.fp16 and computes_in_bf16(self.use_cpu)
        if self.torch_compile and self.compile_layers:
            raise RecipeError("compile_layers: torch_compile compiles the whole model; give one of them")
        for key in ("torch_compile", "compile_layers"):
            if getattr(self, key) and self.use_cpu:
                require_compiler(key)
        keep_budgets(self)
        if self.max_tokens is not None:
            limit_steps(self, None)
        if self.metric_for_best_model in ("bits_per_byte", "eval_bits_per_byte") and self.greater_is_better is None:
            self.greater_is_better = False  # transformers takes all but losses for scores
        self.split_batch()
        self.remove_unused_columns = False
        self.disable_tqdm = True
        self.logging_nan_inf_filter = False  # it would hide a NaN, and wait for the device at each step
        self.use_cache = True  # of the saved model; training passes use_cache=False itself
        if self.ddp_find_unused_parameters is None:
            self.ddp_find_unused_parameters = False  # a search through the graph at every step; all are used
        if self.use_cpu:
            getLogger("transformers.training_args").addFilter(not_of_compiling)
        super().__post_init__()
        check_schedule(self)

    def set_defaults(self) -> None:
        """What depends on whether the model is new, and on which optimizer is asked for."""
        pretrained = pretrained_of(self.model) is not None
        if pretrained:
            if self.tokenizer is not None:
                raise RecipeError("tokenizer: a pretrained model keeps its own; leave it out, or set it to null")
            if self.base_width is not None:
                raise RecipeError("base_width: scales the weights of a new model, not of a pretrained one")
        elif self.tokenizer is None:
            self.tokenizer = {"vocab_size": 2048}
        self.no_budget = self.max_steps <= 0 and not (self.max_tokens or self.max_minutes or self.num_train_epochs)
        if self.optim is None:
            if self.optim_args or self.optim_target_modules:
                raise RecipeError(
                    "optim_args, optim_target_modules: belong to optim, which is not set; give `optimizer` its options"
                )
            self.optim = TrainingArguments.optim
            default = "adamw" if pretrained or takes_matrices_apart(self) else "muon"
            if isinstance(self.optimizer, dict):
                self.optimizer = {"type": default, **self.optimizer}
            self.optimizer = self.optimizer or default
        elif self.optimizer is not None:
            raise RecipeError("optim: optimizer is another way to say it; give one of them")
        elif self.base_width is not None:
            raise RecipeError("base_width: has no say in the Trainer's optimizers; set optimizer, not optim")
        if self.learning_rate is None:
            self.learning_rate = 2e-4 if pretrained else 2e-3
        if self.eval_on_start is None:
            self.eval_on_start = pretrained
        if self.decay_fraction is None and self.lr_scheduler_type == "warmup_stable_decay":
            given = self.lr_scheduler_kwargs if isinstance(self.lr_scheduler_kwargs, dict) else {}
            self.decay_fraction = None if "num_decay_steps" in given else 0.4

    def check_streaming(self) -> None:
        """A stream has no length, cannot be cut beforehand, and is read by one process."""
        if self.max_tokens is None and self.max_minutes is None and self.max_steps <= 0:
            raise RecipeError("streaming: a stream has no end; set max_tokens, max_minutes or max_steps")
        if self.num_train_epochs is not None:
            raise RecipeError("streaming: a stream has no epochs; leave out num_train_epochs")
        if self.max_bytes is not None:
            raise RecipeError("streaming: max_bytes cuts what is read beforehand; set max_tokens")
        if self.dataloader_num_workers:
            raise RecipeError("streaming: one process reads the stream; leave out dataloader_num_workers")
        self.ignore_data_skip = True  # the stream itself begins at its place

    @property
    def train_rows_per_step(self) -> int:
        """Rows of an optimizer step, over all devices."""
        return self.tokens_per_step // self.max_length

    def split_batch(self) -> None:
        """Derive device batch and accumulation from tokens_per_step and the number of processes."""
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        rows, rest = divmod(self.tokens_per_step, self.max_length * processes)
        if rest or not rows:
            raise RecipeError(
                f"tokens_per_step: must be a multiple of max_length x processes = {self.max_length * processes}, "
                f"got {self.tokens_per_step}"
            )
        most = ROWS_AT_ONCE["cpu" if self.use_cpu else "cuda"]
        at_once = self.per_device_train_batch_size
        if at_once is None:
            at_once = max(n for n in range(1, min(rows, most) + 1) if rows % n == 0)
        elif rows % at_once:
            raise RecipeError(f"per_device_train_batch_size: must divide the {rows} rows a device sees in a step")
        if (asked := self.gradient_accumulation_steps) is not None:
            if self.per_device_train_batch_size is None and rows % asked == 0:
                at_once = rows // asked
            if at_once * asked != rows:
                raise RecipeError(
                    f"gradient_accumulation_steps: tokens_per_step: {self.tokens_per_step} are {rows} rows a device, which "
                    f"{asked} batches"
                    + (f" of {at_once}" if self.per_device_train_batch_size else "")
                    + " do not make"
                )
        self.per_device_train_batch_size = at_once
        self.gradient_accumulation_steps = rows // at_once


def not_of_compiling(record: LogRecord) -> bool:
    """Leaves out that compiling is for GPUs, which transformers says wherever one compiles on a CPU."""
    return "torchdynamo" not in str(record.msg)


def passes_of(model: Any, tokens: int) -> float:
    """Passes over a text of so many tokens where no budget is set: four, or as many as make 20 tokens a parameter."""
    return min(PASSES, TOKENS_PER_PARAMETER * model.num_parameters() / tokens)
