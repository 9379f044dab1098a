"""The configuration of a tuning: `trl.SFTConfig`, `trl.ModelConfig` and our own keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from trl import ModelConfig, SFTConfig

from silly_llm.core.lookup import looked_for
from silly_llm.core.schema import key
from silly_llm.training.arguments import SftKeys
from silly_llm.training.keys import SFT, refuse_if, refuse_keys, settle
from silly_llm.training.optim.schedule import check_schedule


@dataclass
class SftArguments(SftKeys, SFTConfig, ModelConfig):  # type: ignore[misc]
    """All keys of `trl.SFTConfig` and `trl.ModelConfig`, flat, and ours. Defaults differ from TRL's where listed."""

    gradient_checkpointing: bool = key(None, "Old name of activation_checkpointing; off.")

    @classmethod
    def refuse_given(cls, given: dict[str, Any]) -> None:
        """Refuse keys that do nothing here (`silly_llm.training.keys`)."""
        refuse_keys(given, SFT)
        off = given.get("include_num_input_tokens_seen") in ("no", False)
        refuse_if(off, "include_num_input_tokens_seen: tokens are always counted; all or non_padding")
        for name in ("optim", "optim_args", "optim_target_modules"):
            both = given.get("optimizer") is not None and given.get(name) is not None
            refuse_if(both, f"{name}: conflicts with optimizer; set only one of them")

    def __post_init__(self) -> None:
        settle(self)
        refuse_if(not self.model_name_or_path, "the key 'model_name_or_path' is missing")
        merged = self.merge_adapter and not self.use_peft
        refuse_if(merged, "merge_adapter: there is no adapter to merge without use_peft: true")
        template = Path(self.chat_template or "")
        missing = self.chat_template and not template.is_file()
        refuse_if(missing, f"chat_template: no such file {self.chat_template!r}{looked_for(template)}")
        known = self.dtype in ("auto", None) or isinstance(getattr(torch, str(self.dtype), None), torch.dtype)
        refuse_if(not known, f"dtype: expected auto or a type of torch such as bfloat16, got {self.dtype!r}")
        if self.include_num_input_tokens_seen == "no":
            self.include_num_input_tokens_seen = "non_padding"
        ModelConfig.__post_init__(self)
        SFTConfig.__post_init__(self)
        check_schedule(self)
