"""Continue from the weights of an existing model: `model: {pretrained: NAME}`, a folder or Hub id, with its own tokenizer.

What cannot be trained further like a new one is refused before anything is written: adapters, quantized weights, encoders, models with code of
their own or with parts beside the text model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as TYPES
from transformers.utils import find_adapter_config_file
from transformers.utils.hub import cached_file, extract_commit_hash

from silly_llm.core.errors import RecipeError, RunError, first_line
from silly_llm.core.lookup import find, home
from silly_llm.training.kernels import attention
from silly_llm.training.keys import refuse_if
from silly_llm.training.model.presets import PRESETS


class Pretrained(NamedTuple):
    """A model to continue from: a folder or Hub id, and a branch, tag or commit of the Hub."""

    name: str
    revision: str | None = None

    @property
    def where(self) -> dict[str, Any]:
        """What every `from_pretrained` gets; code that a model brings is never run."""
        return {"pretrained_model_name_or_path": self.name, "revision": self.revision, "trust_remote_code": False}


def pretrained_of(spec: str | Mapping[str, Any]) -> Pretrained | None:
    """The model that a recipe's `model:` continues from; `None`: a new one; a RecipeError where other keys stand beside `pretrained`.

    Args:
        spec: a mapping with `pretrained` (and `revision`), or as text a folder, or a Hub id with a `/`; a preset's name is a preset.
    """
    if isinstance(spec, str):
        if spec in PRESETS or not ("/" in spec or Path(spec).is_dir()):
            return None
        spec = {"pretrained": spec}
    given = {key: value for key, value in spec.items() if value is not None}
    name, revision = given.pop("pretrained", None), given.pop("revision", None)
    if name is None:
        return None
    others = ", ".join(given)
    refuse_if(
        others, f"model: {others}: cannot be changed for a pretrained model; only revision may accompany pretrained"
    )
    is_text = isinstance(name, str) and isinstance(revision, str | None)
    refuse_if(not is_text, "model: pretrained and revision: expected text")
    return Pretrained(str(home(name)) if name.startswith("~") else name, revision)


def commit_of(base: Pretrained) -> str | None:
    """The commit of the Hub that was loaded; `None` for a folder."""
    return extract_commit_hash(cached_file(base.name, "config.json", revision=base.revision), None)


def pretrained_config(base: Pretrained, max_length: int) -> PretrainedConfig:
    """The configuration of a model that can be trained further on rows of `max_length` tokens.

    A RecipeError where it cannot be read, is not a plain causal language model, or has fewer positions.
    """
    name = f"model: {base.name!r}"
    is_folder = Path(base.name).is_dir()
    refuse_if(is_folder and base.revision, f"model: revision: {base.name!r} is a folder, which has none")
    find(base.name, "model: pretrained: ")
    try:
        is_adapter = find_adapter_config_file(base.name, revision=base.revision)
        config: Any = None if is_adapter else AutoConfig.from_pretrained(**base.where)
    except (OSError, ValueError) as error:
        raise RecipeError(f"model: cannot load {base.name!r}: {first_line(error)}") from None
    refuse_if(is_adapter, f"{name} is an adapter, not a model; merge it first (sft: merge_adapter: true)")
    is_quantized = getattr(config, "quantization_config", None) is not None
    refuse_if(is_quantized, f"{name} is quantized; continue from the original weights")
    architectures = config.architectures or []
    known = config.model_type in TYPES and (not architectures or {*architectures} & {*TYPES.values()})
    what = ", ".join(architectures or [config.model_type])
    refuse_if(config.is_encoder_decoder or not known, f"{name} is not a causal language model ({what})")
    is_part = config.get_text_config() is not config
    refuse_if(is_part, f"{name} has components besides its text model ({config.model_type}); name a text model")
    positions = getattr(config, "max_position_embeddings", None) or max_length
    few = f"max_length: {max_length} is more than the {positions} positions of {base.name!r}"
    refuse_if(max_length > positions, few)
    return config


def pretrained_tokenizer(base: Pretrained, config: PretrainedConfig) -> Any:
    """The model's own tokenizer, without a token more: what it lacks of begin and padding, its end stands for.

    A RecipeError where it cannot be read, has no end-of-text token, or more tokens than the model has rows for.
    """
    name = f"model: the tokenizer of {base.name!r}"
    try:
        tokenizer = AutoTokenizer.from_pretrained(**base.where)
    except (OSError, ValueError) as error:
        raise RecipeError(f"model: cannot load the tokenizer of {base.name!r}: {first_line(error)}") from None
    refuse_if(not tokenizer.is_fast, f"{name} has no tokenizer.json")
    refuse_if(tokenizer.eos_token is None, f"{name} has no end-of-text token")
    largest, rows = max(tokenizer.get_vocab().values()), config.vocab_size
    apart = f"{name} has ids up to {largest:,}, its embedding {rows:,} rows; they do not belong together"
    refuse_if(largest >= rows, apart)
    if tokenizer.bos_token is None:
        begin = config.bos_token_id
        tokenizer.bos_token = tokenizer.eos_token if begin is None else tokenizer.convert_ids_to_tokens(begin)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # rows say themselves what is padding
    return tokenizer


def load_pretrained(
    base: Pretrained, config: PretrainedConfig, tokenizer: Any, *, attn_implementation: str
) -> PreTrainedModel:
    """The model in 32 bits, whatever it was saved in: updates would be lost in the steps between numbers of 16.

    A RunError where weights cannot be read, are missing or of other shapes.
    """
    attention.register()
    how: Any = {"attn_implementation": attn_implementation, "dtype": torch.float32, "output_loading_info": True}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(**base.where, config=config, **how)
    except Exception as error:  # of the Hub, of safetensors, of the architecture
        raise RunError(f"model: cannot load {base.name!r}: {first_line(error)}") from None
    model, found = loaded
    if missing := sorted(found["missing_keys"]):
        lacks = f"model: {base.name!r} lacks {len(missing)} of its weights"
        raise RunError(f"{lacks} ({missing[0]} …), which would be random")
    generation = model.generation_config
    if generation.eos_token_id is None:
        generation.eos_token_id = tokenizer.eos_token_id
    model.config.pad_token_id = generation.pad_token_id = tokenizer.pad_token_id
    try:
        generation.validate(strict=True)
    except ValueError:  # sampling is set up but not on: transformers would not save that
        generation.do_sample = True
    return model
