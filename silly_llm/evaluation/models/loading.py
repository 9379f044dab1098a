"""Any causal language model by its name: what can be known of it before its weights are read, and reading them.

Ours, Hub ids, folders with a LoRA adapter, and GGUF files, all by transformers' Auto classes.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from silly_llm.core.errors import NotInstalledError, RecipeError, RunError, first_line
from silly_llm.core.lookup import find, find_model
from silly_llm.evaluation.arguments import ModelEntry

ADAPTER = "adapter_config.json"


def resolve(entry: ModelEntry) -> None:
    """Make `path` a folder or Hub id, with `gguf_file` apart from it.

    Raises:
        RecipeError: there is no such folder, or it holds no model.
    """
    file = Path(find(entry.path, "model: "))
    if file.is_file():
        if file.suffix != ".gguf":
            raise RecipeError(f"model: {entry.path}: a file, but no GGUF file; name the folder of a model")
        entry.path, entry.gguf_file = str(file.parent), file.name
    elif entry.gguf_file and file.is_dir():
        find(file / entry.gguf_file, "model: gguf_file: ")
    entry.path = find_model(entry.path, "model: ", entry.gguf_file or "config.json")


def check_model(entry: ModelEntry, context: int | None) -> Any:
    """The tokenizer of a model that can be measured, from its configuration alone; weights are not read.

    Raises:
        RecipeError: configuration, tokenizer or the base of an adapter cannot be read, it is no causal language model, has fewer
            positions than `context`, or a tokenizer that does not fit it.
        NotInstalledError: it needs a package that is not here.
        RunError: the Hub cannot be reached.
    """
    from transformers import AutoConfig, AutoTokenizer
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
    from transformers.utils import find_adapter_config_file

    if entry.gguf_file and importlib.util.find_spec("gguf") is None:
        raise NotInstalledError(f"model: {entry.name}: GGUF files need gguf: pip install gguf")
    with telling(entry, "cannot be read"):
        adapter = None if entry.gguf_file else find_adapter_config_file(entry.path, revision=entry.revision)
        base = entry
        if adapter:
            name = json.loads(Path(adapter).read_text(encoding="utf-8"))["base_model_name_or_path"]
            base = ModelEntry(find(name, f"model: {entry.name}: its base model "), entry.name)
        config = AutoConfig.from_pretrained(**where(base)).get_text_config()
    architectures = {*(config.architectures or ())}
    if config.model_type not in CAUSAL or (architectures and not architectures & {*CAUSAL.values()}):
        raise RecipeError(f"model: {entry.name}: is no causal language model ({config.model_type})")
    positions = getattr(config, "max_position_embeddings", None)
    if context and positions and context > positions:
        raise RecipeError(f"context: {context} is more than the {positions} positions of {entry.name}")
    with telling(entry, "its tokenizer cannot be read"):
        own = not adapter or any(
            (Path(adapter).parent / f"tokenizer{end}").exists() for end in (".json", "_config.json")
        )
        tokenizer = AutoTokenizer.from_pretrained(**where(entry if own else base))
        if not tokenizer.is_fast:
            raise RecipeError(
                f"model: {entry.name}: needs a tokenizer.json, which says where in a text its tokens stand"
            )
    if not adapter:  # which may bring more rows along
        fits(entry, tokenizer, config.vocab_size)
    return tokenizer


def load_model(entry: ModelEntry, tokenizer: Any, dtype: str) -> Any:
    """The model with its weights.

    Raises:
        RecipeError: they cannot be read, are not finite, or the tokenizer has more tokens than they have rows.
        RunError: they cannot be had from the Hub.
    """
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    packed: Any = {"quantization_config": GgufConfig(gguf_file=entry.gguf_file, dequantize=True)}
    with telling(entry, "cannot be loaded"):
        model: Any = AutoModelForCausalLM.from_pretrained(
            **where(entry), **(packed if entry.gguf_file else {}), dtype=getattr(torch, dtype)
        )
    broken = next((name for name, weights in model.named_parameters() if not weights.isfinite().all()), None)
    if broken:
        raise RecipeError(f"model: {entry.name}: its weights are not finite numbers ({broken})")
    fits(entry, tokenizer, model.get_input_embeddings().weight.shape[0])
    return model


def where(entry: ModelEntry) -> dict[str, Any]:
    """What every `from_pretrained` gets; code that a model brings is never run."""
    found = {"pretrained_model_name_or_path": entry.path, "revision": entry.revision, "trust_remote_code": False}
    return found | ({"gguf_file": entry.gguf_file} if entry.gguf_file else {})


def fits(entry: ModelEntry, tokenizer: Any, rows: int) -> None:
    """Refuse a tokenizer with ids that the embedding has no rows for."""
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= rows:
        apart = f"its tokenizer has ids up to {largest:,}, its embedding {rows:,} rows"
        raise RecipeError(f"model: {entry.name}: {apart}; they do not belong together")


@contextmanager
def telling(entry: ModelEntry, what: str) -> Iterator[None]:
    """Turn what libraries raise into one line: of files here a RecipeError, of the Hub a RunError."""
    try:
        yield
    except (RecipeError, RunError):
        raise
    except Exception as error:  # of files, configurations, architectures: libraries raise anything
        kind = RecipeError if Path(entry.path).exists() else RunError
        raise kind(f"model: {entry.name}: {what}: {first_line(error)}") from None
