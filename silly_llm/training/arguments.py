"""Our own keys of `pretrain.yaml` and `sft.yaml`, in addition to those of transformers and TRL. Light, for `--help`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from silly_llm.core.schema import key
from silly_llm.hub.card_keys import CardKeys

Dataset = str | dict[str, Any] | list[Any]
Component = str | dict[str, Any]


@dataclass
class TrainingKeys(CardKeys):
    """The keys that both trainings add to the Trainer's, and those whose defaults differ."""

    num_train_epochs: float | None = key(
        None, "Passes over the data; default: 3; in pretraining 4, or 20 tokens a parameter."
    )
    max_minutes: float | None = key(
        None, "Stop after this many minutes of training; the schedule decays the learning rate in time."
    )
    decay_fraction: float | None = key(
        None, "With warmup_stable_decay: the fraction of training that decays; default in pretraining: 0.4."
    )
    bf16: bool | None = key(None, "bf16 autocast; default: if the device supports bf16.")
    callbacks: list[Any] = key(
        [],
        "Callbacks by `type`: evaluation, a plugin's, or module:Class; at each evaluation, step and save of the Trainer.",
    )
    resume_from_checkpoint: str | bool | None = key(
        None, "A checkpoint folder; true: the newest, which must exist; false: none; default: the newest, if any."
    )


@dataclass
class PretrainKeys(TrainingKeys):
    """What `silly-llm pretrain` adds to the keys of `transformers.TrainingArguments`."""

    dataset: Dataset = key("", "Text to train on: Hub id, path, mapping or weighted list. Required.")
    eval_dataset: Dataset | None = key(None, "Text to evaluate on; default: the validation split, else 2 % held out.")
    text_column: str = key("text", "The column with the text.")
    max_eval_documents: int | None = key(500, "Maximum number of documents to evaluate on; null: all.")
    tokenizer: Component | None = key(
        None,
        "A folder or Hub id; {vocab_size: N} trains a byte-level BPE on the dataset; {pretrained: NAME, vocab_size: N} cuts "
        "an existing one to its N most common tokens in the dataset; default: {vocab_size: 2048}, for a pretrained model, its own.",
    )
    model: Component = key(
        "silly-2m",
        "A preset, or {preset: NAME}, {depth: N} (a Llama 64 N wide), {model_type: NAME}, and any keys of the type's "
        "configuration; or {pretrained: NAME, revision: REVISION}, a folder or Hub id, to continue from its weights.",
    )
    attn_implementation: str | None = key(None, "eager, sdpa …; default: the fastest one on the device.")
    compile_layers: bool | None = key(
        None,
        "Compile layer by layer (torch_compile compiles the whole model, which takes longer); default: on CPUs, if the training is long enough.",
    )
    max_length: int = key(512, "Context length of the model, in tokens.")
    packing: Literal["best_fit", "concatenate"] = key(
        "best_fit",
        "best_fit puts whole documents into the fullest row with room; concatenate cuts the corpus every max_length tokens.",
    )
    isolate_documents: bool = key(
        True, "Documents in the same row do not attend to each other; false needs packing: concatenate."
    )
    tokens_per_step: int = key(4096, "Tokens per optimizer step, over all devices.")
    max_tokens: int | None = key(None, "Stop after this many tokens, including padding; sets max_steps.")
    streaming: bool = key(False, "Stream the text; needs max_steps, max_tokens or max_minutes.")
    max_bytes: int | None = key(None, "Train on the first N UTF-8 bytes of the text only, for scaling studies.")
    decontaminate: int | None = key(
        None, "Leave out documents that share N consecutive words (13 is common) with the evaluation texts."
    )
    optimizer: Component | None = key(
        None,
        "muon, adamw, schedule_free or a plugin's, with options as {type: …}; default: muon; adamw for a pretrained "
        "model and under FSDP or DeepSpeed; with `optim`, none.",
    )
    base_width: int | None = key(
        None,
        "The hidden_size that learning_rate was tuned at; learning rates and initial weights are scaled from it (μP).",
    )
    sample_prompts: list[str] = key(
        ["Once upon a time"], "Beginnings that the model continues at each evaluation (samples.jsonl)."
    )
    sample_tokens: int = key(100, "Maximum length of those samples, in tokens.")
    # What recipes/base/pretrain.yaml says, for trainings without a recipe; a test holds the two together.
    output_dir: str | None = key("pretrain", "The model folder to write.")
    per_device_train_batch_size: int | None = key(
        None, "Rows per device batch; default: derived from tokens_per_step."
    )
    gradient_accumulation_steps: int | None = key(
        None, "Device batches per optimizer step; default: derived from tokens_per_step."
    )
    per_device_eval_batch_size: int = key(32, "Rows per device batch in evaluation.")
    optim: str | None = key(None, "One of the Trainer's own optimizers, instead of `optimizer`.")
    learning_rate: float | None = key(None, "Default: 2e-3; for a pretrained model 2e-4.")
    warmup_steps: float = key(0.02, "Warmup steps; below 1, a fraction of all steps.")
    eval_on_start: bool | None = key(None, "Evaluate before the first step; default: only for a pretrained model.")
    report_to: str | list[str] | None = key("none", "Experiment trackers, such as tensorboard.")


@dataclass
class SftKeys(TrainingKeys):
    """What `silly-llm sft` adds to the keys of `trl.SFTConfig` and `trl.ModelConfig`."""

    model_name_or_path: str | None = key(
        None, "The model to tune: a folder (such as one from `silly-llm pretrain`) or Hub id."
    )
    dataset: Dataset = key("", "Instructions (prompt/completion or messages): Hub id, path, mapping or weighted list.")
    eval_dataset: Dataset | None = key(None, "Dataset to evaluate on; default: the dataset's validation split.")
    max_eval_examples: int | None = key(500, "Maximum number of examples to evaluate on; null: all.")
    chat_template: str | None = key(
        None, "Jinja file of the chat template; default: the model's own, or else Silly LLM's."
    )
    merge_adapter: bool = key(False, "Save full weights with the LoRA adapter merged in.")
    optimizer: Component | None = key(None, "adamw, muon, schedule_free or a plugin's; default: TRL's `optim`.")
    sample_prompts: list[str] = key(
        ["Words: dog, jump, happy"], "Requests that the model answers at each evaluation (samples.jsonl)."
    )
    sample_tokens: int = key(150, "Maximum length of those samples, in tokens.")
    output_dir: str | None = key("sft", "The model folder to write.")
    train_sampling_strategy: str = key(
        "group_by_length", "Batches of answers of similar length, which need little padding."
    )
