"""From a recipe's `model:` to a model: plain transformers classes, any decoder that transformers has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    set_seed,
)
from transformers.integrations import deepspeed
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as TYPES

from silly_llm.core.devices import attention_for
from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.training.kernels import attention
from silly_llm.training.keys import refuse_if
from silly_llm.training.model.mup import scale_initialization
from silly_llm.training.model.presets import PRESETS, alternating, of_depth, swiglu_size
from silly_llm.training.model.pretrained import load_pretrained, pretrained_config, pretrained_of

DECIDED_ELSEWHERE = {"vocab_size": " (set tokenizer.vocab_size)", "max_position_embeddings": " (set max_length)"}
"""Keys of a configuration that other keys of the recipe decide."""


def model_of(args: Any, tokenizer: Any) -> PreTrainedModel:
    """The model that a pretraining (`PretrainArguments`) begins with: a pretrained one, or a new one, scaled where `base_width` is set.

    It is whole on every process also under ZeRO-3, which takes it apart when training begins. transformers makes models in shards
    wherever ZeRO-3 is configured, whatever `zero3_init_flag` says: their weights then are others than those of the same seed on one
    device, and neither scaling nor the isolation proof see matrices.
    """
    base, length = pretrained_of(args.model), args.max_length
    zero3 = deepspeed._hf_deepspeed_config_weak_ref
    deepspeed.unset_hf_deepspeed_config()
    try:
        if base is not None:
            config = pretrained_config(base, length)
            attends = args.attn_implementation or attention_of(config, args.use_cpu, length)
            return load_pretrained(base, config, tokenizer, attn_implementation=attends)
        config = model_config(args.model, vocab_size=len(tokenizer), max_length=length, tokenizer=tokenizer)
        attends = args.attn_implementation or attention_of(config, args.use_cpu, length)
        model = build_model(config, args.seed, attn_implementation=attends)
        if args.base_width is not None:
            scale_initialization(model, args.base_width)
        return model
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = zero3


def model_config(
    spec: str | dict[str, Any], *, vocab_size: int, max_length: int, tokenizer: Any = None
) -> PretrainedConfig:
    """The transformers configuration that a recipe's `model:` means.

    Args:
        spec: the name of a preset, or a mapping: `preset`, or `depth` (a Llama of so many layers, 64 times as wide), or `model_type`
            (default: llama), and any keys of that type's configuration over it.
        vocab_size: rows of the embedding.
        max_length: positions.
        tokenizer: gives the ids of bos, eos and pad.

    Raises:
        RecipeError: unknown preset, type or key, or dimensions that do not fit together.
    """
    preset, given = named(spec)
    model_type = {**preset, **given}.get("model_type", "llama")
    if model_type not in TYPES:
        raise RecipeError(f"model: unknown model_type {model_type!r}{suggestion(model_type, TYPES)}")
    config_class = CONFIG_MAPPING[model_type]
    known = {**config_class().to_dict(), **config_class.attribute_map}
    for key in given:
        if key not in known or key in DECIDED_ELSEWHERE:
            hint = DECIDED_ELSEWHERE.get(key) or suggestion(key, [*known, "preset", "depth"])
            raise RecipeError(f"model: unknown key {key!r}{hint}")
    values = {**preset, **own_names(given, config_class.attribute_map)}
    values.pop("model_type", None)
    if model_type == "llama":
        complete_llama(values)
    if model_type == "gpt_neo" and isinstance(layers := values.get("num_layers"), int):
        values.setdefault("attention_types", alternating(layers))
    # without a tokenizer: none, where a type has ids of its own
    ids = {name: getattr(tokenizer, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    try:
        return AutoConfig.for_model(
            model_type, **values, vocab_size=vocab_size, max_position_embeddings=max_length, **ids
        )
    except Exception as error:  # each type checks its own keys, in its own way
        raise RecipeError(f"model: {' '.join(str(error).split())}") from None


def named(spec: str | dict[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The keys that a preset or a depth stands for, and those given beside it."""
    given: dict[str, Any] = {"preset": spec} if isinstance(spec, str) else dict(spec)
    preset, depth = given.pop("preset", None), given.pop("depth", None)
    both = preset is not None and depth is not None
    refuse_if(both, "model: depth and preset mean the same; give one")
    if preset is not None and preset not in PRESETS:
        known = ", ".join(PRESETS)
        raise RecipeError(f"model: unknown preset {preset!r}{suggestion(preset, PRESETS)}; known: {known}")
    whole = depth is None or (isinstance(depth, int) and depth > 0)
    refuse_if(not whole, f"model: depth: expected a whole number above 0, got {depth!r}")
    start: Mapping[str, Any] = PRESETS[preset] if preset else of_depth(depth) if depth else {}
    if given.get("model_type", start.get("model_type")) != start.get("model_type"):
        start = {}  # another type has other keys
    return start, given


def own_names(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The keys as the type itself has them (`num_layers`), where transformers has a common name for them (`num_hidden_layers`)."""
    renamed: dict[str, Any] = {}
    for key, value in given.items():
        own = names.get(key, key)
        if renamed.setdefault(own, value) != value:
            common = next(name for name in names if names[name] == own)
            raise RecipeError(f"model: {own} and {common} are one key; give one of them")
    return renamed


def complete_llama(values: dict[str, Any]) -> None:
    """Fill in the dimensions of a Llama; raise a RecipeError where one is missing, not a whole number, or does not divide another."""
    needed = ("hidden_size", "num_hidden_layers", "num_attention_heads")
    missing = ", ".join(key for key in needed if key not in values)
    refuse_if(missing, f"model: name a preset or a depth, or give {missing}")
    values.setdefault("tie_word_embeddings", True)
    values.setdefault("num_key_value_heads", values["num_attention_heads"])
    if isinstance(values["hidden_size"], int):
        values.setdefault("intermediate_size", swiglu_size(values["hidden_size"]))
    for key in (*needed, "intermediate_size", "num_key_value_heads"):
        whole = isinstance(values.get(key), int) and values[key] > 0
        refuse_if(not whole, f"model: {key}: expected a whole number above 0, got {values.get(key)!r}")
    width, heads = values["hidden_size"], values["num_attention_heads"]
    even = "hidden_size must be a multiple of twice num_attention_heads (rotary positions need even heads)"
    refuse_if(width % (2 * heads), f"model: {even}")
    grouped = "num_attention_heads must be a multiple of num_key_value_heads"
    refuse_if(heads % values["num_key_value_heads"], f"model: {grouped}")


def attention_of(config: PretrainedConfig, use_cpu: bool, max_length: int | None = None) -> str:
    """The attention that trains this architecture fastest on rows of `max_length` tokens, by default as many as it has positions.

    On CPUs and short rows `blockwise`, else sdpa; eager where it has nothing else.
    """
    model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    if not model_class._supports_sdpa:
        return "eager"
    short = attention_for(use_cpu, max_length or config.max_position_embeddings) == "eager"
    return "blockwise" if short else "sdpa"


def size_of(model: PreTrainedModel) -> dict[str, int]:
    """A model's `parameters` (tied ones count once), `non_embedding_parameters` (the N of Kaplan et al. 2020), `width`, `layers`, `heads`."""
    config = model.config.get_text_config()
    return {
        "parameters": model.num_parameters(),
        "non_embedding_parameters": model.num_parameters(exclude_embeddings=True),
        "width": config.hidden_size,
        "layers": config.num_hidden_layers,
        "heads": config.num_attention_heads,
    }


def build_model(config: PretrainedConfig, seed: int, *, attn_implementation: str = "sdpa") -> PreTrainedModel:
    """A new model whose weights derive from the seed; a RecipeError where it lacks this attention, or its dimensions do not fit."""
    set_seed(seed)
    attention.register()
    try:
        model = AutoModelForCausalLM.from_config(config, attn_implementation=attn_implementation)
    except (ImportError, ValueError, TypeError, ZeroDivisionError) as error:
        raise RecipeError(f"model: {config.model_type}: {' '.join(str(error).split())[:300]}") from None
    generation = model.generation_config
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(generation, name, getattr(config, name))
    # What `pipeline("text-generation")` does with the published folder: sample a whole story.
    generation.do_sample, generation.temperature, generation.top_p = True, 0.8, 0.95
    generation.max_length = config.max_position_embeddings
    return model
