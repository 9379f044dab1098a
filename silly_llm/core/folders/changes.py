"""What differs between the recipe that made a folder and the one given now, of the keys that shape the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

from silly_llm.core.config import flatten
from silly_llm.core.recipe_files import map_texts
from silly_llm.core.schema import default_of

TRAINS = ("pretrain", "sft")
GROWS = {
    **dict.fromkeys(TRAINS, ("max_steps", "max_tokens", "max_minutes", "num_train_epochs")),
    "generate": ("num_stories",),
    "vocabulary": ("words",),
}
"""Budgets: raised, the work that is there goes on."""
NEUTRAL = frozenset([
    "output_dir", "push_to_hub", "overwrite_output_dir", "update_cards",  # where it goes
    "report_to", "run_name", "project", "disable_tqdm", "debug", "skip_memory_metrics", "sample_prompts", "sample_tokens", "do_train", "do_eval",
    "enable_jit_checkpoint", "resume_from_checkpoint", "ignore_data_skip",
    "eval_strategy", "eval_steps", "eval_delay", "eval_on_start", "eval_accumulation_steps",  # when it is evaluated
    "per_device_eval_batch_size", "generation_batch_size",
    "dataloader_num_workers", "dataloader_pin_memory", "dataloader_persistent_workers", "dataloader_prefetch_factor",  # workers, devices
    "use_cpu", "device", "local_rank", "fsdp", "fsdp_config", "deepspeed", "accelerator_config", "parallelism_config", "attn_implementation",
    "compile_layers", "torch_empty_cache_steps",
    "max_failed", "max_cost", "max_requests", "max_tokens_total", "preview", "dry_run", "num_shards", "shard_index",  # how much is asked
])  # fmt: skip
"""Keys that do not change what is made."""
NEUTRAL_PREFIXES = (
    *("hub_", "ddp_", "trackio_", "log_", "logging_", "save_", "torch_compile"),
    *("gradient_checkpointing", "activation_checkpointing"),
)
OF_ALL_CARDS = ("license", "tags")
CARD = {"generate": OF_ALL_CARDS, "instruct": OF_ALL_CARDS, **dict.fromkeys(TRAINS, (*OF_ALL_CARDS, "language"))}
"""Keys that only the card shows."""
NEUTRAL_OF_PROVIDERS = frozenset([
    "base_url", "api_key", "headers", "query", "bill_to", "price_per_million", "timeout", "attempts", "concurrency", "max_concurrency",
    "deadline", "first_wait", "startup_timeout",
])  # fmt: skip
"""Where and how fast a teacher is asked: the same question to another server of the same model is the same question."""
CHOOSES_A_CHECKPOINT = "load_best_model_at_end"
"""With it, when a training is evaluated and saved does change the model."""
ABSENT = "not set"


class Change(NamedTuple):
    """A key whose value, or the content of the file that it names, is another one now."""

    key: str
    said: str
    grown: bool = False
    """A budget that was raised."""


def changes(
    phase: str,
    before: Mapping[str, Any],
    inputs_before: Mapping[str, str],
    now: Mapping[str, Any],
    inputs_now: Mapping[str, str],
    arguments: type,
) -> list[Change]:
    """The keys of a recipe that shape the result and are not what they were.

    Args:
        before, now: resolved values, nested, secrets masked.
        inputs_before, inputs_now: digests of the inputs by name. The same content under another name is the same.
        arguments: the phase's dataclass: a key that is left out has its default.
    """
    old, unnamed_before = _by_content(before, inputs_before)
    new, unnamed_now = _by_content(now, inputs_now)
    defaults = {f.name: ABSENT if (value := default_of(f)) is MISSING else value for f in fields(arguments)}
    shown = [defaults | flatten(values) for values in (before, now)]
    chooses = any(values.get(CHOOSES_A_CHECKPOINT) for values in (before, now))
    found = []
    for key in {**new, **old}:
        if is_neutral(key) and not (chooses and key.startswith(("eval_", "save_"))):
            continue
        was, now_is = (values.get(key, defaults.get(key, ABSENT)) for values in (old, new))
        if was != now_is:
            grown = key in GROWS.get(phase, ()) and _size(now_is) > _size(was)
            was, now_is = (values.get(key, ABSENT) for values in shown)
            differs = f"{key} is {_shown(now_is)}, was {_shown(was)}"
            found.append(Change(key, differs if now_is != was else f"the content of {key}", grown))
    if sorted(unnamed_before.values()) != sorted(unnamed_now.values()):
        names = sorted(dict(unnamed_before.items() ^ unnamed_now.items()))
        found += [Change(name, f"the content of {name}") for name in names]
    return found


def _by_content(values: Any, inputs: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Flat values with the digest of each input in place of its name, and the inputs that none of them names (files of a glob, say)."""
    unnamed = dict(inputs)

    def content(text: str) -> str:
        unnamed.pop(text, None)
        return inputs.get(text, text)

    return flatten(map_texts(values, content)), unnamed


def is_neutral(key: str) -> bool:
    """Whether a key (dotted where it is nested) leaves the result as it is."""
    first, _, rest = key.partition(".")
    of_provider = first == "provider" and rest.partition(".")[0] in NEUTRAL_OF_PROVIDERS
    return of_provider or first in NEUTRAL or first.startswith(NEUTRAL_PREFIXES)


def _size(budget: Any) -> float:
    """A budget as a number: none is no limit, and so is transformers' -1."""
    return math.inf if not isinstance(budget, (int, float)) or budget <= 0 else budget


def _shown(value: Any) -> str:
    text = repr(value) if value is not ABSENT else ABSENT
    return text if len(text) <= 40 else f"{text[:37]}…"
