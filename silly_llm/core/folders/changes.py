"""What differs between the recipe that made a folder and the one given now, of the keys that shape the result."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
NEUTRAL = frozenset(
    # where it goes, logging and reporting
    """output_dir push_to_hub overwrite_output_dir
    logging_dir logging_strategy logging_first_step logging_steps log_level log_level_replica log_on_each_node report_to run_name project
    disable_tqdm debug skip_memory_metrics sample_prompts sample_tokens do_train do_eval """
    # saving and resuming, and when it is evaluated
    """save_strategy save_steps save_total_limit save_only_model save_on_each_node enable_jit_checkpoint resume_from_checkpoint
    ignore_data_skip eval_strategy eval_steps eval_delay eval_on_start per_device_eval_batch_size eval_accumulation_steps
    generation_batch_size """
    # workers and devices
    """dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers dataloader_prefetch_factor use_cpu device local_rank fsdp
    fsdp_config deepspeed accelerator_config parallelism_config attn_implementation compile_layers torch_compile torch_compile_backend
    torch_compile_mode gradient_checkpointing activation_checkpointing gradient_checkpointing_kwargs activation_checkpointing_kwargs
    torch_empty_cache_steps """
    # how much may be asked, and in how many parts
    "max_failed max_cost max_requests max_tokens_total preview dry_run num_shards shard_index".split()
)
"""Keys that do not change what is made."""
CARD = dict.fromkeys(("generate", "instruct"), ("license", "tags")) | dict.fromkeys(TRAINS, ("license", "tags", "language"))
"""Keys that only the card shows."""
NEUTRAL_PREFIXES = ("hub_", "ddp_", "trackio_")
NEUTRAL_OF_PROVIDERS = frozenset(
    ["base_url", "api_key", "headers", "query", "bill_to", "price_per_million", "timeout", "attempts", "concurrency", "max_concurrency", "deadline", "first_wait", "startup_timeout"]
)
"""Where and how fast a teacher is asked: the same question to another server of the same model is the same question."""
CHOOSES_A_CHECKPOINT = "load_best_model_at_end"
"""With it, when a training is evaluated and saved does change the model."""
ABSENT = "not set"


@dataclass(frozen=True)
class Change:
    """A key whose value, or the content of the file that it names, is another one now."""

    key: str
    before: Any = None
    now: Any = None
    grown: bool = False
    """A budget that was raised."""

    def __str__(self) -> str:
        if self.before == self.now:
            return f"the content of {self.key}"
        return f"{self.key} is {_shown(self.now)}, was {_shown(self.before)}"


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
    shown_before, shown_now = flatten(before), flatten(now)
    old, unnamed_before = _by_content(before, inputs_before)
    new, unnamed_now = _by_content(now, inputs_now)
    defaults = {f.name: default_of(f) for f in dataclasses.fields(arguments)}
    chooses = any(values.get(CHOOSES_A_CHECKPOINT) for values in (before, now))
    found = []
    for key in {**new, **old}:
        if is_neutral(key) and not (chooses and key.startswith(("eval_", "save_"))):
            continue
        default = ABSENT if (value := defaults.get(key, dataclasses.MISSING)) is dataclasses.MISSING else value
        if (was := old.get(key, default)) != (now_is := new.get(key, default)):
            grown = key in GROWS.get(phase, ()) and _size(now_is) > _size(was)
            found.append(Change(key, shown_before.get(key, default), shown_now.get(key, default), grown))
    if sorted(unnamed_before.values()) != sorted(unnamed_now.values()):
        found += [Change(name) for name in sorted(dict(unnamed_before.items() ^ unnamed_now.items()))]
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
