"""Which keys of `transformers.TrainingArguments`, `trl.SFTConfig` and `trl.ModelConfig` mean nothing here, and what numbers may be. Light.

Every other key acts as those libraries document it; tests/training/test_keys.py lists them, so that a new one is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.lookup import looked_for

UNLIMITED = 1_000_000_000
"""Steps of a training that only its time limit ends."""
BOTH: dict[str, tuple[Any, str]] = {
    "disable_tqdm": (True, "Silly LLM has its own progress bar"),
    "logging_nan_inf_filter": (False, "a loss that is NaN or infinite ends the training"),
    "restore_callback_states_from_checkpoint": (True, "a resumed training continues its clock"),
    **dict.fromkeys(
        ("bf16_full_eval", "fp16_full_eval"), (False, "evaluations belong to the training and compute as it does")
    ),
    "eval_do_concat_batches": (True, "evaluations keep only sums"),
    "eval_use_gather_object": (False, "evaluations gather tensors only"),
    "include_for_metrics": ([], "evaluations have their metrics"),
    "batch_eval_metrics": (False, "evaluations have their metrics"),
    "label_names": (None, "labels are the next tokens"),
    "length_column_name": ("length", "lengths are those of the tokens"),
    "save_only_model": (False, "nothing could continue from such a checkpoint; save_total_limit: 1 saves space"),
    "hub_token": (None, "do not put secrets in a recipe; set HF_TOKEN instead"),
    "hub_strategy": ("end", "the finished folder is published, in one commit"),
    "hub_always_push": (False, "the finished folder is published, in one commit"),
    "do_train": (True, "training is what this command does; `silly-llm evaluate --model DIR` measures a model"),
    "do_eval": (True, "every training ends with an evaluation, if there is something to evaluate on"),
    "do_predict": (False, "there is nothing to predict; `silly-llm evaluate` measures models"),
    "local_rank": (-1, "the launcher says it"),
}
"""For both phases: the value that is used, and why no other is."""
PRETRAIN: dict[str, tuple[Any, str]] = BOTH | {
    "label_smoothing_factor": (0, "the loss must stay in nats per token for bits per byte"),
    "average_tokens_across_devices": (True, "the loss is an average over the tokens of all devices"),
    "use_cache": (True, "the saved model uses it, and training does not"),
    "use_liger_kernel": (False, "documents are isolated differently; see compile_layers"),
    "liger_kernel_config": (None, "documents are isolated differently; see compile_layers"),
    "auto_find_batch_size": (False, "tokens_per_step determines the size of a step"),
    "prediction_loss_only": (False, "evaluations give bits per byte too"),
    "parallelism_config": (None, "rows are spread by DDP, FSDP or DeepSpeed (accelerate_configs/)"),
    "dataloader_drop_last": (False, "an epoch already consists of whole steps"),
    "remove_unused_columns": (False, "rows have no columns"),
    "train_sampling_strategy": ("random", "all rows have one length"),
}
SFT: dict[str, tuple[Any, str]] = BOTH | {
    "prediction_loss_only": (True, "evaluations give the loss"),
    "model_init_kwargs": (None, "use model_revision, dtype and attn_implementation"),
    "chat_template_path": (None, "use chat_template, a Jinja file"),
    "dataset_text_field": ("text", "instructions are in prompt and completion, or messages"),
    "dataset_kwargs": (None, "instructions are in prompt and completion, or messages"),
    "pad_token": (None, "the tokenizer has its own, which differs from the end-of-text token"),
    "truncation_mode": ("keep_start", "nothing is truncated: examples that are too long are left out"),
    "lora_task_type": ("CAUSAL_LM", "only causal language models are tuned"),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "train_sampling_strategy": ("random", "sequential", "group_by_length", "batch_rebalance"),
    "loss_type": ("nll", "dft", "chunked_nll"),
    "packing_strategy": ("bfd", "bfd_split", "bfd-requeue", "wrapped"),
    "include_num_input_tokens_seen": ("all", "non_padding", "no"),
    "dataloader_multiprocessing_context": ("fork", "spawn", "forkserver"),
}
"""Keys of text whose unknown values the libraries ignore, or refuse only after the work has begun."""
NUMBERS: dict[str, tuple[Any, str]] = {
    "above 0": (
        lambda n: n > 0,
        "max_length tokens_per_step max_tokens max_bytes max_minutes num_train_epochs per_device_train_batch_size "
        "per_device_eval_batch_size gradient_accumulation_steps decontaminate sample_tokens base_width max_eval_documents "
        "max_eval_examples logging_steps save_steps save_total_limit eval_accumulation_steps torch_empty_cache_steps "
        "dataloader_prefetch_factor dataset_num_proc ddp_timeout ddp_bucket_cap_mb lora_r lora_alpha",
    ),
    "of at least 0": (
        lambda n: n >= 0,
        "seed data_seed learning_rate weight_decay warmup_steps adam_epsilon max_grad_norm eval_steps eval_delay "
        "dataloader_num_workers neftune_noise_alpha router_aux_loss_coef",
    ),
    "from 0 to 1": (lambda n: 0 <= n <= 1, "decay_fraction"),
    "from 0 to below 1": (lambda n: 0 <= n < 1, "adam_beta1 adam_beta2 label_smoothing_factor lora_dropout"),
    "below 2**32": (lambda n: n < 2**32, "seed data_seed"),
    "above 0, or -1": (lambda n: n > 0 or n == -1, "max_steps"),
}
"""What is expected of a number, the test of it, and the keys that it holds for."""
NEEDS: dict[tuple[str, str], str] = {
    ("dataloader_num_workers", "above 0"): (
        "dataloader_prefetch_factor dataloader_persistent_workers dataloader_multiprocessing_context dataloader_in_order"
    ),
    ("use_peft", "true"): (
        "lora_r lora_alpha lora_dropout lora_target_modules lora_target_parameters lora_modules_to_save use_rslora use_dora"
    ),
    ("load_in_4bit", "true"): "bnb_4bit_quant_type use_bnb_nested_quant bnb_4bit_quant_storage",
}
"""Keys that mean nothing without another one; one that is given, whatever it says, is a decision."""


def refuse_if(wrong: Any, message: str) -> None:
    """Raise a RecipeError with this message, if `wrong`."""
    if wrong:
        raise RecipeError(message)


def refuse_keys(given: Mapping[str, Any], fixed: Mapping[str, tuple[Any, str]]) -> None:
    """Raise a RecipeError with key and reason where keys that a recipe gives would be overwritten or ignored (`PRETRAIN`, `SFT`)."""
    for key, (used, reason) in fixed.items():
        ignored = key in given and getattr(given[key], "value", given[key]) != used
        refuse_if(ignored, f"{key}: has no effect here, leave it out: {reason}")
    for (other, value), keys in NEEDS.items():
        for key in keys.split():
            alone = given.get(key) not in (None, False) and other not in given
            refuse_if(alone, f"{key}: has no effect without {other} ({value})")
    named = given.get("report_to") or []
    trackers = {named} if isinstance(named, str) else set(named)
    for key in ("project", "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"):
        alone = given.get(key) is not None and not {"trackio", "all"} & trackers
        refuse_if(alone, f"{key}: has no effect without report_to: trackio")
    untracked = given.get("run_name") and not trackers - {"none"}
    refuse_if(untracked, "run_name: has no effect without a tracker in report_to")


def settle(args: Any) -> None:
    """Check, and fill in, what both configurations have in common, before the libraries' own `__post_init__`."""
    import torch

    from silly_llm.core.devices import computes_in_bf16

    refuse_if(not args.dataset, "the key 'dataset' is missing")
    check_named(args.resume_from_checkpoint)
    args.check_card()
    args.do_train = True
    args.use_cpu = args.use_cpu or not torch.accelerator.is_available()
    for expected, (holds, names) in NUMBERS.items():
        for name in names.split():
            value = getattr(args, name, None)
            wrong = value is not None and not holds(value)
            refuse_if(wrong, f"{name}: expected a number {expected}, got {value}")
    for name, known in CHOICES.items():
        value = getattr(args, name, None)
        wrong = isinstance(value, str) and value not in known
        refuse_if(wrong, f"{name}: expected one of {', '.join(known)}, got {value!r}")
    refuse_if(args.fp16 and args.use_cpu, "fp16: a CPU computes in bf16 or float32; leave fp16 out")
    config = args.accelerator_config if isinstance(args.accelerator_config, Mapping) else {}
    wrong = config.get("split_batches") or "num_steps" in (config.get("gradient_accumulation_kwargs") or {})
    split = "split_batches and num_steps would change the size of a step; leave them out"
    refuse_if(wrong, f"accelerator_config: {split}")
    if args.use_cpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed warns of finding no GPU
    if args.bf16 is None:
        args.bf16 = not args.fp16 and computes_in_bf16(args.use_cpu)
    args.disable_tqdm = True  # our progress bar follows time limits too
    args.logging_nan_inf_filter = False  # it would hide a NaN, and wait for the device at each step

    # Which budgets the recipe sets, before the Trainer's own arguments are made of them
    args.asked_steps = args.max_steps if args.max_steps > 0 else None
    args.asked_epochs = args.num_train_epochs is not None
    counted = args.asked_steps or args.asked_epochs or getattr(args, "max_tokens", None)
    args.no_budget = not (counted or args.max_minutes)
    args.num_train_epochs = args.num_train_epochs if args.asked_epochs else 3.0
    if args.max_minutes is not None and not counted:
        args.max_steps = UNLIMITED
        for key in ("logging", "eval", "save"):
            strategy, steps = getattr(args, f"{key}_strategy"), getattr(args, f"{key}_steps") or 0
            share = getattr(strategy, "value", strategy) == "steps" and 0 < steps < 1
            refuse_if(
                share,
                f"{key}_steps: only time ends this training, so a fraction of all steps is undefined; give a number of steps",
            )


def engine_of(args: Any) -> str | None:
    """FSDP or DeepSpeed, where the launcher or the recipe asks for one: they take matrices apart."""
    for engine in ("FSDP", "DeepSpeed"):
        launched = os.environ.get(f"ACCELERATE_USE_{engine.upper()}", "").lower() == "true"
        if launched or getattr(args, engine.lower(), None):
            return engine
    return None


def check_named(asked: str | bool | None) -> None:
    """Raise a RecipeError where what a recipe names is not a checkpoint."""
    if not isinstance(asked, str) or (Path(asked) / "trainer_state.json").is_file():
        return
    is_folder = Path(asked).is_dir()
    refuse_if(is_folder, f"resume_from_checkpoint: {asked} is not a checkpoint (it has no trainer_state.json)")
    raise RecipeError(
        f"resume_from_checkpoint: no such folder {asked!r}{looked_for(Path(asked))}; one of the Hub is downloaded first: "
        "hf download USER/MODEL --include 'last-checkpoint/*' --local-dir DIR"
    )
