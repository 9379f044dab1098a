"""Which files of a folder are uploaded to the Hub: those that phases write, with a valid card, and no code."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path

from silly_llm.core.errors import RecipeError
from silly_llm.core.folders import manifest

COMMON = ("README.md", "recipe.yaml", "provenance.json", "statistics.json")
PUBLISHED = {
    "dataset": (*COMMON, "vocabulary.json", "data/*.parquet"),
    "model": (
        *(*COMMON, "config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json"),
        *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json"),
        *("added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja"),
        *("additional_chat_templates/*.jinja", "adapter_config.json", "training_log.jsonl", "samples.jsonl"),
        *("training*.html", "*.gguf", "onnx/*.onnx", ".eval_results/*.yaml"),
    ),
}
"""Published files, as globs; one without `/` applies to the folder itself."""
CONFIGS = ("config.json", "adapter_config.json")
KEPT_QUIETLY = (
    *(".silly", "journal*", "checkpoint-*", "optimizer*", "scheduler.*", "rng_state*", "trainer_state.json"),
    *("training_args.bin", "global_step*", "*.lock", "*.tmp"),
)
"""Files of ours that are useful only locally; not listed among the files left out."""


def kind_of(folder: Path) -> str:
    """`dataset` or `model`, depending on the files in the folder.

    Raises:
            RecipeError: there is no such folder, or it is neither.
    """
    if not folder.is_dir():
        raise RecipeError(f"{folder}: no such folder")
    if any(folder.glob("data/*.parquet")):
        return "dataset"
    if any(folder.glob("*.safetensors")) and any((folder / name).is_file() for name in CONFIGS):
        return "model"
    raise RecipeError(
        f"{folder}: is neither a dataset folder (data/*.parquet) nor a model folder (config.json, *.safetensors)"
    )


def files_of(folder: Path, kind: str | None = None, include: Sequence[str] = ()) -> list[str]:
    """The files of a folder that are published, as sorted paths with `/`. Links that lead out of the folder never are.

    Args:
        kind: `dataset` or `model`; default: depending on the files in the folder.
        include: globs of additional files; `*` also matches `/`.
    """
    published = PUBLISHED[kind or kind_of(folder)]
    root, ours = folder.resolve(), manifest.recorded(folder)

    def goes_up(name: str) -> bool:
        hidden = any(part.startswith(".") for part in name.removeprefix(".eval_results/").split("/"))
        if hidden or not (folder / name).resolve().is_relative_to(root):
            return False
        if any(fnmatch.fnmatch(name, glob) for glob in include):
            return True
        # Parquet files other than those that the phase wrote are not part of the dataset.
        foreign = ours and name.startswith("data/") and name not in ours
        return not foreign and any(fnmatch.fnmatch(name, g) for g in published if "/" in g or "/" not in name)

    return [name for name in _names(folder) if goes_up(name)]


def left_of(folder: Path, files: Sequence[str]) -> str:
    """One line that lists the files in the folder that are not published; empty if there are none besides our own."""
    partly = {name.partition("/")[0] for name in files}
    left = [(name, *name.partition("/")[:2]) for name in _names(folder) if name not in files]
    tops = dict.fromkeys(
        name if top in partly else top + slash
        for name, top, slash in left
        if not any(fnmatch.fnmatch(top, glob) for glob in KEPT_QUIETLY)
    )
    if not tops:
        return ""
    named = ", ".join(list(tops)[:8]) + (f" and {len(tops) - 8} more" if len(tops) > 8 else "")
    return f"not published, because no phase writes it or it is a link to elsewhere: {named} (`--include GLOB` adds files)"


def refuse_code(folder: Path, files: Sequence[str]) -> None:
    """Refuse a model that needs custom code, unless `include` adds that code.

    Raises:
        RecipeError: naming the file with `auto_map`.
    """
    if any(name.endswith(".py") for name in files):
        return
    for name in (*CONFIGS, "tokenizer_config.json", "generation_config.json"):
        path = folder / name
        try:
            content = json.loads(path.read_text(encoding="utf-8")) if name in files else None
        except ValueError as error:
            raise RecipeError(f"{path}: is not JSON ({error})") from None
        if isinstance(content, dict) and content.get("auto_map"):
            raise RecipeError(
                f"{path}: auto_map refers to custom code (trust_remote_code), which is not published; remove auto_map if "
                "transformers supports the architecture, or publish the code too: --include '*.py'"
            )


def read_card(folder: Path, repo_type: str, files: Sequence[str]) -> str | None:
    """The folder's README.md with its header checked; `None` if there is none.

    Raises:
            RecipeError: the header is not YAML, or names data files that do not exist.
    """
    path = folder / "README.md"
    if not path.is_file():
        return None
    from huggingface_hub import DatasetCard, ModelCard
    from yaml import YAMLError

    patterns: list[str] = []
    try:
        text = path.read_text(encoding="utf-8")
        card = (DatasetCard if repo_type == "dataset" else ModelCard)(text)
        if repo_type == "dataset" and (configs := card.data.to_dict().get("configs")):
            from datasets.data_files import sanitize_patterns

            named = [sanitize_patterns(config["data_files"]) for config in configs if "data_files" in config]
            patterns = [pattern for splits in named for several in splits.values() for pattern in several]
    except (YAMLError, ValueError, TypeError, AttributeError) as error:
        raise RecipeError(f"{path}: the YAML header cannot be read ({' '.join(str(error).split())})") from None
    for pattern in patterns:
        if not fnmatch.filter(files, pattern):
            raise RecipeError(f"{path}: configs: no file in the folder matches {pattern!r}")
    return text


def _names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
