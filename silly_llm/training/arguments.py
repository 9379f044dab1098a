"""Our own keys of a `pretrain.yaml` recipe, next to those of `transformers.TrainingArguments`. Light, for `--help`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from silly_llm.hub.card_keys import CardKeys


@dataclass
class PretrainKeys(CardKeys):
    """What `silly-llm pretrain` adds to the keys of `transformers.TrainingArguments`."""

    dataset: str | dict[str, Any] | list[Any] = field(
        default="", metadata={"help": "Text to train on: Hub id, path, mapping or weighted list. Required."}
    )
    eval_dataset: str | dict[str, Any] | list[Any] | None = field(
        default=None,
        metadata={"help": "Text to evaluate on; default: the dataset's validation split, else 2 % held out."},
    )
    text_column: str = field(default="text", metadata={"help": "The column with the text."})
    max_eval_documents: int | None = field(
        default=500, metadata={"help": "Evaluate on at most this many documents; null: on all."}
    )
    tokenizer: str | dict[str, Any] | None = field(
        default=None,
        metadata={
            "help": (
                "A folder or Hub id; {vocab_size: N} trains a byte-level BPE on the dataset; {pretrained: NAME, vocab_size: N} cuts "
                "an existing one to its N most common tokens there; default: {vocab_size: 2048}, of a pretrained model its own."
            )
        },
    )
    model: str | dict[str, Any] = field(
        default="silly-2m",
        metadata={
            "help": (
                "A preset, or {preset: NAME}, {depth: N} (a Llama 64 N wide), {model_type: NAME}, and any keys of the type's "
                "configuration; or {pretrained: NAME, revision: REVISION}, a folder or Hub id, to continue from its weights."
            )
        },
    )
    attn_implementation: str | None = field(
        default=None,
        metadata={"help": "Attention while training: eager, sdpa …; default: what is fastest on the device."},
    )
    compile_layers: bool | None = field(
        default=None,
        metadata={
            "help": (
                "Compile the model layer by layer (torch_compile: the whole model, which takes longer); default: on CPUs with a C++ compiler "
                "where the training is long enough to gain."
            )
        },
    )
    max_length: int = field(default=512, metadata={"help": "Context of the model, in tokens."})
    packing: Literal["best_fit", "concatenate"] = field(
        default="best_fit",
        metadata={
            "help": "Whole documents into the fullest row that has room, or the corpus cut every max_length tokens."
        },
    )
    isolate_documents: bool = field(
        default=True,
        metadata={"help": "Documents of a row do not see each other; false (with packing: concatenate): they do."},
    )
    tokens_per_step: int = field(
        default=4096,
        metadata={"help": "Tokens of one optimizer step over all devices; the number of devices does not change it."},
    )
    max_tokens: int | None = field(
        default=None, metadata={"help": "Stop after this many tokens (padding counted); sets max_steps."}
    )
    streaming: bool = field(
        default=False,
        metadata={
            "help": "Read the text as it is needed, none of it before: for what does not fit on the disk. Needs an end by steps, tokens or time."
        },
    )
    max_bytes: int | None = field(
        default=None, metadata={"help": "Train on the first so many UTF-8 bytes of text: for scaling studies."}
    )
    decontaminate: int | None = field(
        default=None,
        metadata={
            "help": "Leave out documents that share so many words in a row (13, as a rule) with the evaluation texts."
        },
    )
    max_minutes: float | None = field(
        default=None, metadata={"help": "Stop after this many minutes of training, the learning rate decayed by then."}
    )
    decay_fraction: float | None = field(
        default=None,
        metadata={
            "help": "For lr_scheduler_type warmup_stable_decay: the share of training that the decay takes; default: 0.4."
        },
    )
    optimizer: str | dict[str, Any] | None = field(
        default=None,
        metadata={
            "help": (
                "muon, adamw, schedule_free or a plugin's, with options as {type: …}; default: muon; adamw for a pretrained "
                "model and under FSDP or DeepSpeed; with `optim` what that names."
            )
        },
    )
    base_width: int | None = field(
        default=None,
        metadata={
            "help": (
                "The hidden_size that learning_rate was found at: rates and initial weights of another width follow from it (μP); "
                "default: they are as they are."
            )
        },
    )
    sample_prompts: list[str] = field(
        default_factory=lambda: ["Once upon a time"],
        metadata={"help": "Beginnings that the model continues at each evaluation (samples.jsonl)."},
    )
    sample_tokens: int = field(default=100, metadata={"help": "Length of those samples, in tokens."})
