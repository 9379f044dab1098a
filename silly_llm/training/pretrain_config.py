"""The configuration of a pretraining: `transformers.TrainingArguments` and our own keys."""

from __future__ import annotations

import os
from dataclasses import dataclass
from logging import getLogger
from typing import Any

from transformers import IntervalStrategy, SchedulerType, TrainingArguments

from silly_llm.core.errors import NotInstalledError
from silly_llm.training.arguments import PretrainKeys
from silly_llm.training.kernels.compiling import missing_compiler
from silly_llm.training.keys import PRETRAIN, engine_of, refuse_if, refuse_keys, settle
from silly_llm.training.model.pretrained import pretrained_of
from silly_llm.training.optim.schedule import check_schedule, limit_steps

ROWS_AT_ONCE = {"cpu": 16, "cuda": 64}
"""Rows of a device batch when the recipe does not say."""
PASSES = 4.0
"""Passes over the text where no budget is set: until then repeated text teaches nearly as much as new (Muennighoff et al. 2023)."""
TOKENS_PER_PARAMETER = 20
"""Enough tokens where no budget is set (Hoffmann et al. 2022)."""


@dataclass
class PretrainArguments(PretrainKeys, TrainingArguments):  # type: ignore[misc]
    """All keys of `transformers.TrainingArguments`, flat, and ours. Defaults differ from its where listed."""

    lr_scheduler_type: SchedulerType | str = "warmup_stable_decay"
    logging_steps: float = 50
    eval_strategy: IntervalStrategy | str = "steps"
    eval_steps: float | None = 200
    save_steps: float = 200
    save_total_limit: int | None = 2
    seed: int = 0

    @classmethod
    def refuse_given(cls, given: dict[str, Any]) -> None:
        """Refuse keys that do nothing here (`silly_llm.training.keys`)."""
        refuse_keys(given, PRETRAIN)

    def __post_init__(self) -> None:
        settle(self)
        joined = not self.isolate_documents and self.packing != "concatenate"
        refuse_if(joined, "isolate_documents: false needs packing: concatenate")
        both = self.torch_compile and self.compile_layers
        refuse_if(both, "compile_layers: torch_compile compiles the whole model; set only one of them")
        for key in ("torch_compile", "compile_layers"):
            if getattr(self, key) and self.use_cpu and (missing := missing_compiler()):
                raise NotInstalledError(f"{key}: on a CPU it needs {missing}; install it or leave out {key}")
        if self.streaming:
            self.check_stream()
        self.set_defaults()
        if self.max_tokens is not None:
            limit_steps(self, None)
        self.split_batch()
        if self.metric_for_best_model in ("bits_per_byte", "eval_bits_per_byte") and self.greater_is_better is None:
            self.greater_is_better = False  # transformers takes all but losses for scores
        self.remove_unused_columns = False
        self.use_cache = True  # of the saved model; training passes use_cache=False itself
        if self.ddp_find_unused_parameters is None:
            self.ddp_find_unused_parameters = False  # a search through the graph at every step; all are used
        if self.use_cpu:  # transformers warns that compiling is for GPUs
            getLogger("transformers.training_args").addFilter(lambda record: "torchdynamo" not in str(record.msg))
        super().__post_init__()
        check_schedule(self)

    def set_defaults(self) -> None:
        """What depends on whether the model is new, and on which optimizer is asked for."""
        pretrained = pretrained_of(self.model) is not None
        if pretrained:
            kept = "a pretrained model keeps its own; leave it out, or set it to null"
            refuse_if(self.tokenizer is not None, f"tokenizer: {kept}")
            refuse_if(self.base_width, "base_width: scales the weights of a new model; this one is pretrained")
        elif self.tokenizer is None:
            self.tokenizer = {"vocab_size": 2048}
        if self.optim is None:
            alone = "optim_args, optim_target_modules: belong to optim, which is not set; give `optimizer` its options"
            refuse_if(self.optim_args or self.optim_target_modules, alone)
            self.optim = TrainingArguments.optim
            default = "adamw" if pretrained or engine_of(self) else "muon"
            if isinstance(self.optimizer, dict):
                self.optimizer = {"type": default, **self.optimizer}
            self.optimizer = self.optimizer or default
        else:
            refuse_if(self.optimizer is not None, "optim: conflicts with optimizer; set only one of them")
            refuse_if(
                self.base_width,
                "base_width: has no effect on the Trainer's optimizers; set optimizer instead of optim",
            )
        if self.learning_rate is None:
            self.learning_rate = 2e-4 if pretrained else 2e-3
        if self.eval_on_start is None:
            self.eval_on_start = pretrained
        if self.decay_fraction is None and self.lr_scheduler_type == "warmup_stable_decay":
            given = self.lr_scheduler_kwargs if isinstance(self.lr_scheduler_kwargs, dict) else {}
            self.decay_fraction = None if "num_decay_steps" in given else 0.4

    def check_stream(self) -> None:
        """A stream has no length, cannot be cut beforehand, and is read by one process."""
        endless = self.max_tokens is None and self.max_minutes is None and self.max_steps <= 0
        refuse_if(endless, "streaming: a stream has no end; set max_tokens, max_minutes or max_steps")
        refuse_if(
            getattr(self, "asked_epochs", False), "streaming: a stream has no epochs; leave out num_train_epochs"
        )
        refuse_if(self.max_bytes, "streaming: max_bytes does not apply to a stream; set max_tokens")
        several = "streaming: one process reads the stream; leave out dataloader_num_workers"
        refuse_if(self.dataloader_num_workers, several)
        self.ignore_data_skip = True  # the stream itself begins at its place

    @property
    def train_rows_per_step(self) -> int:
        """Rows of an optimizer step, over all devices."""
        return self.tokens_per_step // self.max_length

    def split_batch(self) -> None:
        """Derive device batch and accumulation from tokens_per_step and the number of processes."""
        row, tokens = self.max_length * int(os.environ.get("WORLD_SIZE", "1")), self.tokens_per_step
        rows, rest = divmod(tokens, row)
        odd = rest or not rows
        refuse_if(odd, f"tokens_per_step: must be a multiple of max_length x processes = {row}, got {tokens}")
        at_once: Any
        at_once, batches = self.per_device_train_batch_size, self.gradient_accumulation_steps
        odd = at_once and rows % at_once
        refuse_if(odd, f"per_device_train_batch_size: must divide the {rows} rows a device sees in a step")
        if batches is not None:
            size = f" of {at_once}" if at_once else ""
            refuse_if(
                batches * (at_once or rows // batches) != rows,
                f"gradient_accumulation_steps: tokens_per_step: {tokens} are {rows} rows a device, which {batches} batches{size} do not make",
            )
            at_once = rows // batches
        elif at_once is None:
            most = ROWS_AT_ONCE["cpu" if self.use_cpu else "cuda"]
            at_once = max(n for n in range(1, min(rows, most) + 1) if rows % n == 0)
        self.per_device_train_batch_size, self.gradient_accumulation_steps = at_once, rows // at_once


def passes_of(model: Any, tokens: int) -> float:
    """Passes over a text of so many tokens where no budget is set: four, or as many as make 20 tokens a parameter."""
    return min(PASSES, TOKENS_PER_PARAMETER * model.num_parameters() / tokens)
