"""What turns a base model into one that can be talked to: a chat template, the special tokens it needs, and rows for them.

Padding is never the end-of-text token: the loss ignores padding, so the model would not learn to stop.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, set_seed

from silly_llm.core.devices import attention_for
from silly_llm.core.errors import RecipeError, first_line
from silly_llm.core.lookup import find_model

TEMPLATE = "chat.jinja"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")


def load_tokenizer(args: Any) -> tuple[PreTrainedTokenizerBase, list[str]]:
    """The tokenizer of the model that `SftArguments` name, with a chat template and distinct eos and pad, and the tokens added for it."""
    name = args.model_name_or_path = find_model(str(args.model_name_or_path), "model_name_or_path: ")
    origin = {"revision": args.model_revision, "trust_remote_code": args.trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **origin)
    except (OSError, ValueError) as error:
        raise RecipeError(f"model_name_or_path: cannot load {name!r} ({first_line(error)})") from None
    before = set(tokenizer.get_vocab())
    if args.chat_template:
        tokenizer.chat_template = Path(args.chat_template).read_text(encoding="utf-8")
    elif not tokenizer.chat_template:
        tokenizer.chat_template = default_template()
    special: dict[str, Any] = {}
    if tokenizer.eos_token is None:
        special["eos_token"] = "<|eos|>"
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        special["pad_token"] = "<|pad|>"
    if tokenizer.chat_template == default_template():
        special["extra_special_tokens"] = list(ROLES)
    tokenizer.add_special_tokens(special)
    return tokenizer, [token for token in tokenizer.get_vocab() if token not in before]


def default_template() -> str:
    """The chat template of Silly LLM (templates/chat.jinja)."""
    return files("silly_llm").joinpath("templates", TEMPLATE).read_text(encoding="utf-8")


def load_model(args: Any, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model that `SftArguments` name, quantized where they say so, with a row for each token (new ones derive from the seed), and
    the tokenizer's begin, end and padding everywhere it names them.
    """
    from trl import get_quantization_config

    set_seed(args.seed)
    quantization = get_quantization_config(args)
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(args.model_name_or_path),
        revision=args.model_revision,
        trust_remote_code=args.trust_remote_code,
        attn_implementation=args.attn_implementation or attention_for(args.use_cpu, args.max_length),
        dtype=args.dtype if args.dtype in ("auto", None) else getattr(torch, args.dtype),
        device_map={"": args.local_process_index} if quantization is not None else None,
        quantization_config=quantization,
    )
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    for config in (model.config.get_text_config(), model.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            setattr(config, name, getattr(tokenizer, name))
    return model


def train_new_tokens(peft_config: Any, model: Any, ids: Any) -> None:
    """Have an adapter learn the rows of tokens that the model did not have."""
    embeddings = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embeddings)
    peft_config.trainable_token_indices = {name.rpartition(".")[2]: ids}
    head = model.get_output_embeddings()
    if head is not None and head.weight is not embeddings.weight:
        peft_config.modules_to_save = sorted({*(peft_config.modules_to_save or ()), "lm_head"})
