"""Which keys of `transformers.TrainingArguments`, `trl.SFTConfig` and `trl.ModelConfig` mean nothing here, and what numbers may be.

Every other key acts as those libraries document it; tests/training/test_keys.py lists them, so that a new one is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from silly_llm.core.errors import RecipeError

BOTH: dict[str, tuple[Any, str]] = {
    "disable_tqdm": (True, "the bar is Silly LLM's own"),
    "logging_nan_inf_filter": (False, "a loss that is no number ends the training"),
    "restore_callback_states_from_checkpoint": (True, "a resumed training continues its clock"),
    "bf16_full_eval": (False, "evaluations belong to the training and compute as it does"),
    "fp16_full_eval": (False, "evaluations belong to the training and compute as it does"),
    "eval_do_concat_batches": (True, "evaluations keep sums only"),
    "eval_use_gather_object": (False, "evaluations gather tensors only"),
    "include_for_metrics": ([], "evaluations have their metrics"),
    "batch_eval_metrics": (False, "evaluations have their metrics"),
    "label_names": (None, "labels are the next tokens"),
    "length_column_name": ("length", "lengths are those of the tokens"),
    "save_only_model": (False, "nothing could continue from such a checkpoint; save_total_limit: 1 saves space"),
    "hub_token": (None, "a recipe is no place for a secret; set HF_TOKEN instead"),
    "hub_strategy": ("end", "the finished folder is published, in one commit"),
    "hub_always_push": (False, "the finished folder is published, in one commit"),
    "do_eval": (True, "every training ends with an evaluation, if there is something to evaluate on"),
    "do_predict": (False, "there is nothing to predict; `silly-llm evaluate` measures models"),
    "local_rank": (-1, "the launcher says it"),
}
"""For both phases: the value that is used, and why no other is."""
PRETRAIN: dict[str, tuple[Any, str]] = BOTH | {
    "label_smoothing_factor": (0, "the loss is nats a token, as bits per byte are"),
    "average_tokens_across_devices": (True, "the loss is an average over the tokens of all devices"),
    "use_cache": (True, "the saved model uses it, and training does not"),
    "use_liger_kernel": (False, "documents are kept apart by other means; see compile_layers"),
    "liger_kernel_config": (None, "documents are kept apart by other means; see compile_layers"),
    "auto_find_batch_size": (False, "tokens_per_step says how much a step sees"),
    "prediction_loss_only": (False, "evaluations give bits per byte too"),
    "parallelism_config": (None, "rows are spread by DDP, FSDP or DeepSpeed (accelerate_configs/)"),
    "dataloader_drop_last": (False, "an epoch is whole steps already"),
    "remove_unused_columns": (False, "rows have no columns"),
    "train_sampling_strategy": ("random", "all rows have one length"),
}
SFT: dict[str, tuple[Any, str]] = BOTH | {
    "prediction_loss_only": (True, "evaluations give the loss"),
    "model_init_kwargs": (None, "use model_revision, dtype and attn_implementation"),
    "chat_template_path": (None, "use chat_template, a Jinja file"),
    "dataset_text_field": ("text", "instructions are in prompt and completion, or messages"),
    "dataset_kwargs": (None, "instructions are in prompt and completion, or messages"),
    "pad_token": (None, "the tokenizer has its own, which must not end a text"),
    "truncation_mode": ("keep_start", "nothing is cut: what is too long is left out"),
    "lora_task_type": ("CAUSAL_LM", "language models are tuned"),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "train_sampling_strategy": ("random", "sequential", "group_by_length", "batch_rebalance"),
    "loss_type": ("nll", "dft", "chunked_nll"),
    "packing_strategy": ("bfd", "bfd_split", "bfd-requeue", "wrapped"),
    "include_num_input_tokens_seen": ("all", "non_padding", "no"),
    "dataloader_multiprocessing_context": ("fork", "spawn", "forkserver"),
}
"""Keys of text that the libraries read without a word when they do not know it, or stop at after the work has begun."""
ABOVE_ZERO = (
    *("max_length", "tokens_per_step", "max_tokens", "max_bytes", "max_minutes", "num_train_epochs"),
    *("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"),
    *("decontaminate", "sample_tokens", "base_width", "max_eval_documents", "max_eval_examples"),
    *("logging_steps", "save_steps", "save_total_limit", "eval_accumulation_steps", "torch_empty_cache_steps"),
    *("dataloader_prefetch_factor", "dataset_num_proc", "ddp_timeout", "ddp_bucket_cap_mb", "lora_r", "lora_alpha"),
)
NOT_NEGATIVE = (
    *("seed", "data_seed", "learning_rate", "weight_decay", "warmup_steps", "adam_epsilon", "max_grad_norm"),
    *("eval_steps", "eval_delay", "dataloader_num_workers", "neftune_noise_alpha", "router_aux_loss_coef"),
)
BELOW_ONE = ("adam_beta1", "adam_beta2", "label_smoothing_factor", "lora_dropout")
NEEDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("dataloader_prefetch_factor", "dataloader_persistent_workers"), "dataloader_num_workers", "above 0"),
    (("dataloader_multiprocessing_context", "dataloader_in_order"), "dataloader_num_workers", "above 0"),
    (
        *(("lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "lora_target_parameters"),),
        *("use_peft", "true"),
    ),
    (("lora_modules_to_save", "use_rslora", "use_dora"), "use_peft", "true"),
    (("bnb_4bit_quant_type", "use_bnb_nested_quant", "bnb_4bit_quant_storage"), "load_in_4bit", "true"),
)
"""Keys that mean nothing without another one; one that is given, whatever it says, is a decision."""


def refuse_keys(given: Mapping[str, Any], fixed: Mapping[str, tuple[Any, str]]) -> None:
    """Refuse keys that would be overwritten or ignored.

    Args:
        given: what the recipe sets.
        fixed: `PRETRAIN` or `SFT`.

    Raises:
        RecipeError: with the key and the reason.
    """
    for key, (used, reason) in fixed.items():
        if key in given and getattr(given[key], "value", given[key]) != used:
            raise RecipeError(f"{key}: does nothing here, leave it out: {reason}")
    for keys, other, value in NEEDS:
        for key in keys:
            if given.get(key) not in (None, False) and other not in given:
                raise RecipeError(f"{key}: means nothing without {other} ({value})")
    trackers = given.get("report_to") or []
    for key in ("project", "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"):
        if given.get(key) is not None and not {"trackio", "all"} & set(_listed(trackers)):
            raise RecipeError(f"{key}: means nothing without report_to: trackio")
    if given.get("run_name") and not set(_listed(trackers)) - {"none"}:
        raise RecipeError("run_name: means nothing without a tracker in report_to")


def check_numbers(args: Any) -> None:
    """Every number of a recipe is one that it can be.

    Raises:
        RecipeError: with the key, what is expected, and what it is.
    """
    for names, holds, expected in (
        (ABOVE_ZERO, lambda n: n > 0, "above 0"),
        (NOT_NEGATIVE, lambda n: n >= 0, "of at least 0"),
        (BELOW_ONE, lambda n: 0 <= n < 1, "from 0 to below 1"),
        (("seed", "data_seed"), lambda n: n < 2**32, "below 2**32"),
        (("max_steps",), lambda n: n > 0 or n == -1, "above 0"),
    ):
        for name in names:
            value = getattr(args, name, None)
            if value is not None and not (math.isfinite(value) and holds(value)):
                raise RecipeError(f"{name}: expected a number {expected}, got {value}")
    for name, known in CHOICES.items():
        value = getattr(args, name, None)
        if isinstance(value, str) and value not in known:
            raise RecipeError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    if args.fp16 and args.use_cpu:
        raise RecipeError("fp16: a CPU computes in bf16 or float32; leave fp16 out")
    config = args.accelerator_config
    if isinstance(config, Mapping) and (
        config.get("split_batches") or "num_steps" in (config.get("gradient_accumulation_kwargs") or {})
    ):
        raise RecipeError(
            "accelerator_config: split_batches and num_steps would change how much a step sees; leave them out"
        )


def _listed(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
