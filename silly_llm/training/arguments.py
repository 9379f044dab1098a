"""Our own keys of `pretrain.yaml` and `sft.yaml`, beside those of transformers and TRL. Light, for `--help`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from silly_llm.core.schema import key
from silly_llm.hub.card_keys import CardKeys

Dataset = str | dict[str, Any] | list[Any]
Component = str | dict[str, Any]


@dataclass
class TrainingKeys(CardKeys):
    """What both trainings add to the keys of the Trainer, and where their defaults differ from its."""

    num_train_epochs: float | None = key(
        None, "Passes over the data; default: 3; in pretraining 4, or 20 tokens a parameter."
    )
    max_minutes: float | None = key(None, "Stop after so many minutes of training, the learning rate decayed by then.")
    decay_fraction: float | None = key(
        None, "With warmup_stable_decay: the share of training that decays; pretraining: 0.4."
    )
    bf16: bool | None = key(None, "bf16 autocast; default: where the device computes in bf16.")
    resume_from_checkpoint: str | bool | None = key(
        None, "A checkpoint's folder, or true: the newest must be there; default: the newest, if any."
    )


@dataclass
class PretrainKeys(TrainingKeys):
    """What `silly-llm pretrain` adds to the keys of `transformers.TrainingArguments`."""

    dataset: Dataset = key("", "Text to train on: Hub id, path, mapping or weighted list. Required.")
    eval_dataset: Dataset | None = key(None, "Text to evaluate on; default: the validation split, else 2 % held out.")
    text_column: str = key("text", "The column with the text.")
    max_eval_documents: int | None = key(500, "Evaluate on at most this many documents; null: on all.")
    tokenizer: Component | None = key(
        None,
        "A folder or Hub id; {vocab_size: N} trains a byte-level BPE on the dataset; {pretrained: NAME, vocab_size: N} cuts "
        "an existing one to its N most common tokens there; default: {vocab_size: 2048}, of a pretrained model its own.",
    )
    model: Component = key(
        "silly-2m",
        "A preset, or {preset: NAME}, {depth: N} (a Llama 64 N wide), {model_type: NAME}, and any keys of the type's "
        "configuration; or {pretrained: NAME, revision: REVISION}, a folder or Hub id, to continue from its weights.",
    )
    attn_implementation: str | None = key(None, "eager, sdpa …; default: what trains fastest on the device.")
    compile_layers: bool | None = key(
        None,
        "Compile layer by layer (torch_compile: the whole model, for longer); default: on CPUs where it is gained back.",
    )
    max_length: int = key(512, "Context of the model, in tokens.")
    packing: Literal["best_fit", "concatenate"] = key(
        "best_fit", "Whole documents into the fullest row that has room, or the corpus cut every max_length tokens."
    )
    isolate_documents: bool = key(True, "Documents of a row do not see each other; false (if concatenated): they do.")
    tokens_per_step: int = key(4096, "Tokens of an optimizer step over all devices, however many these are.")
    max_tokens: int | None = key(None, "Stop after this many tokens (padding counted); sets max_steps.")
    streaming: bool = key(False, "Read the text as it is needed; needs an end by steps, tokens or time.")
    max_bytes: int | None = key(None, "Train on the first so many UTF-8 bytes of text: for scaling studies.")
    decontaminate: int | None = key(
        None, "Leave out documents that share so many words in a row (13, as a rule) with the evaluation texts."
    )
    optimizer: Component | None = key(
        None,
        "muon, adamw, schedule_free or a plugin's, with options as {type: …}; default: muon; adamw for a pretrained "
        "model and under FSDP or DeepSpeed; with `optim` what that names.",
    )
    base_width: int | None = key(
        None, "The hidden_size that learning_rate was found at; rates and weights follow (μP)."
    )
    sample_prompts: list[str] = key(["Once upon a time"], "Beginnings to continue at each evaluation (samples.jsonl).")
    sample_tokens: int = key(100, "Length of those samples, in tokens.")
    # What recipes/base/pretrain.yaml says, for trainings without a recipe; a test holds the two together.
    output_dir: str | None = key("pretrain", "Where the model folder goes.")
    per_device_train_batch_size: int | None = key(None, "Rows a device sees at once; default: by tokens_per_step.")
    gradient_accumulation_steps: int | None = key(None, "Device batches of a step; default: as tokens_per_step says.")
    per_device_eval_batch_size: int = key(32, "Rows a device evaluates at once.")
    optim: str | None = key(None, "An optimizer of the Trainer, in place of ours.")
    learning_rate: float | None = key(None, "Default: 2e-3; of a pretrained model 2e-4.")
    warmup_steps: float = key(0.02, "Steps; below 1: a share of all.")
    eval_on_start: bool | None = key(None, "Evaluate before the first step; default: of a pretrained model.")
    report_to: str | list[str] | None = key("none", "Trackers, such as tensorboard.")


@dataclass
class SftKeys(TrainingKeys):
    """What `silly-llm sft` adds to the keys of `trl.SFTConfig` and `trl.ModelConfig`."""

    model_name_or_path: str | None = key(None, "The model to tune: a folder (of `silly-llm pretrain`, say) or Hub id.")
    dataset: Dataset = key("", "Instructions (prompt/completion or messages): Hub id, path, mapping or weighted list.")
    eval_dataset: Dataset | None = key(None, "What to evaluate on; default: the dataset's own validation split.")
    max_eval_examples: int | None = key(500, "Evaluate on at most this many examples; null: on all.")
    chat_template: str | None = key(None, "Jinja file of the chat template; default: the model's own, else ours.")
    merge_adapter: bool = key(False, "Save full weights with the LoRA adapter merged in.")
    optimizer: Component | None = key(None, "adamw, muon, schedule_free or a plugin's; default: TRL's `optim`.")
    sample_prompts: list[str] = key(["Words: dog, jump, happy"], "Requests to answer at evaluations (samples.jsonl).")
    sample_tokens: int = key(150, "Length of those samples, in tokens.")
    output_dir: str | None = key("sft", "Where the model folder goes.")
    train_sampling_strategy: str = key("group_by_length", "Answers of similar length waste no time on padding.")
