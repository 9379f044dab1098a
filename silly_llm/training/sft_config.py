"""The configuration of a tuning: `trl.SFTConfig`, `trl.ModelConfig` and our own keys."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from trl import ModelConfig, SFTConfig

from silly_llm.core.devices import computes_in_bf16
from silly_llm.core.errors import RecipeError
from silly_llm.core.lookup import looked_for
from silly_llm.training.keys import SFT, check_numbers, refuse_keys
from silly_llm.training.optim.schedule import check_schedule, keep_budgets
from silly_llm.training.resuming import check_run
from silly_llm.training.sft_arguments import SftKeys


@dataclass
class SftArguments(SftKeys, SFTConfig, ModelConfig):
    """All keys of `trl.SFTConfig` and `trl.ModelConfig`, flat, and ours. Defaults differ from TRL's where listed."""

    bf16: bool | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "bf16 autocast; default: where the device computes in bf16."}
    )
    gradient_checkpointing: bool = field(
        default=cast(bool, None), metadata={"help": "Old name of activation_checkpointing; off."}
    )
    train_sampling_strategy: str = field(
        default="group_by_length", metadata={"help": "Batches of answers of similar length waste no time on padding."}
    )

    num_train_epochs: float | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "A budget where it is set; 3 where no other is."}
    )
    do_train: bool = True
    resume_from_checkpoint: str | bool | None = field(  # type: ignore[assignment]
        default=None,
        metadata={"help": "A checkpoint's folder, or true: the newest must be there; default: the newest, if any."},
    )

    @classmethod
    def refuse(cls, given: dict[str, Any]) -> None:
        """Refuse keys that do nothing here (`silly_llm.training.keys`)."""
        refuse_keys(given, SFT)
        tokens = given.get("include_num_input_tokens_seen")
        if tokens in ("no", False):
            raise RecipeError("include_num_input_tokens_seen: tokens are always counted; all or non_padding")
        if given.get("optimizer") is not None:
            for key in ("optim", "optim_args", "optim_target_modules"):
                if given.get(key) is not None:
                    raise RecipeError(f"{key}: optimizer names the optimizer already; give one of them")

    def __post_init__(self) -> None:
        if not self.dataset:
            raise RecipeError("the key 'dataset' is missing")
        check_run(self)
        self.check_card()
        if not self.model_name_or_path:
            raise RecipeError("the key 'model_name_or_path' is missing")
        if self.merge_adapter and not self.use_peft:
            raise RecipeError("merge_adapter: there is no adapter to merge without use_peft: true")
        if self.chat_template and not Path(self.chat_template).is_file():
            missing = looked_for(Path(self.chat_template))
            raise RecipeError(f"chat_template: no such file {self.chat_template!r}{missing}")
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        check_numbers(self)
        keep_budgets(self)
        if self.dtype not in ("auto", None) and not isinstance(getattr(torch, self.dtype, None), torch.dtype):
            raise RecipeError(f"dtype: expected auto or a type of torch such as bfloat16, got {self.dtype!r}")
        if self.use_cpu:
            os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed warns of finding no GPU
        if self.bf16 is None:
            self.bf16 = not self.fp16 and computes_in_bf16(self.use_cpu)
        if self.include_num_input_tokens_seen == "no":
            self.include_num_input_tokens_seen = "non_padding"
        self.disable_tqdm = True  # our progress bar follows time limits too
        self.logging_nan_inf_filter = False  # it would hide a NaN, and wait for the device at each step
        ModelConfig.__post_init__(self)
        SFTConfig.__post_init__(self)
        check_schedule(self)
