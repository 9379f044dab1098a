"""The configuration of a tuning: `trl.SFTConfig`, `trl.ModelConfig` and our own keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from trl import ModelConfig, SFTConfig

from silly_llm.core.lookup import looked_for
from silly_llm.training.arguments import SftKeys, key
from silly_llm.training.keys import SFT, refuse_if, refuse_keys, settle
from silly_llm.training.optim.schedule import check_schedule, keep_budgets
from silly_llm.training.resuming import check_named


@dataclass
class SftArguments(SftKeys, SFTConfig, ModelConfig):  # type: ignore[misc]
    """All keys of `trl.SFTConfig` and `trl.ModelConfig`, flat, and ours. Defaults differ from TRL's where listed."""

    gradient_checkpointing: bool = key(cast(bool, None), "Old name of activation_checkpointing; off.")

    @classmethod
    def refuse(cls, given: dict[str, Any]) -> None:
        """Refuse keys that do nothing here (`silly_llm.training.keys`)."""
        refuse_keys(given, SFT)
        refuse_if(
            given.get("include_num_input_tokens_seen") in ("no", False),
            "include_num_input_tokens_seen: tokens are always counted; all or non_padding",
        )
        for name in ("optim", "optim_args", "optim_target_modules"):
            refuse_if(
                given.get("optimizer") is not None and given.get(name) is not None,
                f"{name}: optimizer names the optimizer already; give one of them",
            )

    def __post_init__(self) -> None:
        refuse_if(not self.dataset, "the key 'dataset' is missing")
        check_named(self.resume_from_checkpoint)
        self.check_card()
        refuse_if(not self.model_name_or_path, "the key 'model_name_or_path' is missing")
        refuse_if(
            self.merge_adapter and not self.use_peft,
            "merge_adapter: there is no adapter to merge without use_peft: true",
        )
        template = Path(self.chat_template or "")
        refuse_if(
            self.chat_template and not template.is_file(),
            f"chat_template: no such file {self.chat_template!r}{looked_for(template)}",
        )
        settle(self)
        keep_budgets(self)
        refuse_if(
            self.dtype not in ("auto", None) and not isinstance(getattr(torch, str(self.dtype), None), torch.dtype),
            f"dtype: expected auto or a type of torch such as bfloat16, got {self.dtype!r}",
        )
        if self.include_num_input_tokens_seen == "no":
            self.include_num_input_tokens_seen = "non_padding"
        ModelConfig.__post_init__(self)
        SFTConfig.__post_init__(self)
        check_schedule(self)
