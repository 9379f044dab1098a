"""What is known about the data and models that a recipe names, from their own cards and recipes; nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silly_llm.core.lookup import home, is_hub_id
from silly_llm.core.pages.markdown import one_line
from silly_llm.hub.card_keys import LICENSE

STORYTELLER = "storyteller"


@dataclass(frozen=True)
class Known:
    """The values that all sources agree on; empty if one of them has none or differs."""

    license: str | None
    languages: list[str]
    synthetic: bool
    tinystories: bool


def what_is_known(*sources: Any) -> Known:
    """The metadata in the cards of datasets and models, as named in recipes."""
    names = named(sources)
    headers = [header_of(name) for name in names]
    licenses = {header.get("license") for header in headers}
    languages = [_texts(header.get("language")) for header in headers]
    tags = [{tag.lower() for tag in _texts(header.get("tags"))} for header in headers]
    named_so = ["tinystories" in Path(name).name.lower() for name in names]
    agreed = next(iter(licenses)) if len(licenses) == 1 else None
    return Known(
        license=agreed if isinstance(agreed, str) and LICENSE.fullmatch(agreed) and agreed != "unknown" else None,
        languages=sorted({code for codes in languages for code in codes}) if all(languages) else [],
        synthetic=bool(names) and all("synthetic" in t for t in tags),
        tinystories=bool(names) and all("tinystories" in t or so for t, so in zip(tags, named_so, strict=True)),
    )


def header_of(name: str) -> dict[str, Any]:
    """The YAML header of the card of a folder, Hub dataset or model; empty if there is none."""
    from huggingface_hub import hf_hub_download, metadata_load
    from yaml import YAMLError

    file = home(name) / "README.md"
    for repo_type in ("dataset", "model") if hub_ids(name) or file.is_file() else ():
        with suppress(OSError, ValueError, YAMLError):  # no such dataset: a model, perhaps
            path = file if file.is_file() else Path(hf_hub_download(name, file.name, repo_type=repo_type))
            return metadata_load(path) or {}
    return {}


def named(source: Any) -> list[str]:
    """The paths and Hub ids that a recipe's `dataset` or `model` names."""
    if isinstance(source, (list, tuple)):
        return [name for item in source for name in named(item)]
    if isinstance(source, Mapping):
        return named(path_of(source)) or [str(source.get("type"))]
    return [str(source)] if source else []


def path_of(source: Mapping[str, Any]) -> Any:
    """The path or Hub id, or several, in a mapping under a recipe's `dataset`."""
    return next((source[key] for key in ("path", "sources", "dataset") if source.get(key)), None)


def hub_ids(source: Any) -> list[str]:
    """The Hub ids (NAMESPACE/NAME) in a recipe's dataset or model; local paths are excluded."""
    ids = [n for n in named(source) if "/" in n and not n.startswith("runs/") and is_hub_id(n)]
    return list(dict.fromkeys(ids))


def provider_name(provider: Any) -> str:
    """A teacher's name in cards: its model if it has one, else its type."""
    if isinstance(provider, Mapping):
        provider = provider.get("model") or provider.get("type")
    return str(provider or "unknown")


def teachers_of(source: Any, depth: int = 4) -> list[str]:
    """The teachers that wrote the text behind a dataset or model (a path, mapping or list, as in recipes), as far as
    the `recipe.yaml` files of local folders say; empty if they do not."""
    import yaml

    teachers: set[str] = set()
    for name in named(source) if depth else []:
        folder = home(name)
        try:
            values = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
            phase = json.loads((folder / "provenance.json").read_text(encoding="utf-8")).get("phase")
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if phase == "generate":
            teachers.add(provider_name(values.get("provider", STORYTELLER)))
        else:
            teachers.update(teachers_of([values.get("dataset"), values.get("model_name_or_path")], depth - 1))
    return sorted(teachers)


def _texts(value: Any) -> list[str]:
    """A text or a list of texts, as headers contain them."""
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [one_line(text) for text in values if isinstance(text, str)]
