"""Our own keys of an `sft.yaml` recipe, next to those of `trl.SFTConfig` and `trl.ModelConfig`. Light, for `--help`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from silly_llm.hub.card_keys import CardKeys


@dataclass
class SftKeys(CardKeys):
    """What `silly-llm sft` adds to the keys of TRL."""

    model_name_or_path: str | None = field(
        default=None, metadata={"help": "The model to tune: a folder (of `silly-llm pretrain`, say) or a Hub id."}
    )
    dataset: str | dict[str, Any] | list[Any] = field(
        default="",
        metadata={"help": "Instructions: Hub id, path, mapping or weighted list, with prompt/completion or messages."},
    )
    eval_dataset: str | dict[str, Any] | list[Any] | None = field(
        default=None, metadata={"help": "What to evaluate on; default: the dataset's own validation split."}
    )
    max_eval_examples: int | None = field(
        default=500, metadata={"help": "Evaluate on at most this many examples; null: on all."}
    )
    chat_template: str | None = field(
        default=None,
        metadata={
            "help": "Jinja file of the chat template; default: the one of Silly LLM (or of a model tuned before)."
        },
    )
    merge_adapter: bool = field(default=False, metadata={"help": "Save full weights with the LoRA adapter merged in."})
    max_minutes: float | None = field(
        default=None, metadata={"help": "Stop after this many minutes of training, the learning rate decayed by then."}
    )
    decay_fraction: float | None = field(
        default=None,
        metadata={"help": "For lr_scheduler_type warmup_stable_decay: the share of training that the decay takes."},
    )
    optimizer: str | dict[str, Any] | None = field(
        default=None,
        metadata={"help": "adamw, muon, schedule_free or a plugin's, as in pretrain; default: TRL's `optim`."},
    )
    sample_prompts: list[str] = field(
        default_factory=lambda: ["Words: dog, jump, happy"],
        metadata={"help": "Requests that the model answers at each evaluation (samples.jsonl)."},
    )
    sample_tokens: int = field(default=150, metadata={"help": "Length of those samples, in tokens."})
    output_dir: str | None = field(default="sft", metadata={"help": "Where the model folder goes."})
