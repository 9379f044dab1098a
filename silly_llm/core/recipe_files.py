"""Files of recipes, read with what they extend, in an environment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import YAMLError

from silly_llm.core.errors import RecipeError, first_line, suggestion
from silly_llm.core.lookup import beside, locate, name_of
from silly_llm.core.masking import is_secret_name, remember
from silly_llm.core.phases import Phase, phase_named

ENDINGS = (".yaml", ".yml", ".json")


def read_file(file: Path) -> DictConfig:
    """One recipe file as it stands, its `extends` unread.

    Raises:
        RecipeError: no such file, empty, not UTF-8, not YAML or JSON, or not a mapping.
    """
    try:
        text = file.read_text(encoding="utf-8")
        content = OmegaConf.create(json.loads(text) if file.suffix == ".json" and text.strip() else text)
    except FileNotFoundError:
        near = suggestion(file.name, (p.name for p in locate(file.parent).glob("*.*")))
        reason = f"no such recipe file{near}"
    except IsADirectoryError:
        reason = f"is a folder; name one of its recipe files (or use `silly-llm run {file}`)"
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text (byte {error.start})"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}: not JSON ({error.msg})"
    except YAMLError as error:
        reason = _not_yaml(error, text)
    except OmegaConfBaseException as error:
        reason = said_by(error)
    else:
        if text.strip() and not isinstance(content, DictConfig):
            reason = "a recipe must be a mapping of keys to values"
        elif not content:
            reason = "is empty"
        else:
            remember(OmegaConf.to_container(content))
            return content
    raise RecipeError(f"{file}: {reason}")


def _not_yaml(error: YAMLError, text: str) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or first_line(error)
    if mark is None:
        return f"not YAML ({problem})"
    key = [*text.splitlines(), ""][mark.line].partition(":")[0].strip(" -{'\"")
    if is_secret_name(key):  # what YAML says of a value may repeat it
        problem = f"the value of {key} needs quotes"
    return f"line {mark.line + 1}: not YAML ({problem})"


def read_with_parents(file: Path, children: tuple[Path, ...] = ()) -> DictConfig:
    """A recipe file merged over those that it extends; `${here:foods.txt}` is the file beside the recipe in which it stands."""
    resolved = file.resolve()
    if resolved in children:
        chain = " → ".join(p.name for p in (*children[children.index(resolved) :], resolved))
        raise RecipeError(f"{children[0]}: circular extends ({chain})")

    def here(text: str) -> str:
        return re.sub(r"\$\{here:([^{}]*)\}", lambda found: str(Path(name_of(file.parent), found[1])), text)

    content = OmegaConf.create(map_texts(OmegaConf.to_container(read_file(file)), here))
    merged = OmegaConf.create({})
    for parent in parents_of(content):
        if not isinstance(parent, str):
            raise RecipeError(f"{file}: extends: expected a path or a list of paths, got {parent!r}")
        path = beside(file, parent)
        if not path.is_file():
            raise RecipeError(f"{file}: extends: no such file {str(file.parent / parent)!r}")
        merged = overlay(merged, read_with_parents(path, (*children, resolved)))
    content.pop("extends", None)
    return overlay(merged, content)


def parents_of(content: DictConfig) -> list[Any]:
    """What a recipe says that it extends."""
    parents = content.get("extends") or []
    return [parents] if isinstance(parents, str) else list(parents)


def map_texts(value: Any, change: Callable[[str], Any]) -> Any:
    """Plain values with `change` applied to each text."""
    if isinstance(value, dict):
        return {key: map_texts(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def environment_of(environments: Any, file: Path | None, name: str) -> DictConfig:
    """The overlay of a recipe's environment; empty where another recipe of the folder knows that environment."""
    if not isinstance(environments, (dict, DictConfig)):
        raise RecipeError(f"{file}: environments: expected a mapping of names to overlays")
    chosen = environments.get(name)
    if chosen is not None and not isinstance(chosen, DictConfig):
        raise RecipeError(f"{file}: environments.{name}: expected a mapping")
    if file and name not in {"default", *environments} and name not in (known := environments_of(file.parent)):
        raise RecipeError(f"{file}: unknown environment {name!r}{suggestion(name, {'default', *known})}")
    return chosen or OmegaConf.create({})


def environments_of(folder: Path) -> set[str]:
    """All environments that the recipes of a folder name."""
    names: set[str] = set()
    for path in sorted(p for p in folder.glob("*.*") if p.suffix in ENDINGS):
        try:
            environments = read_with_parents(path).get("environments")
        except RecipeError:
            continue  # the file is reported when it is itself read
        names |= set(map(str, environments)) if isinstance(environments, DictConfig) else set()
    return names


def overlay(base: DictConfig, top: DictConfig) -> DictConfig:
    """`top` merged over `base`; a component (a mapping with `type`) of another type replaces, and so do lists and `{}`."""
    _drop_replaced(base, top)
    try:
        return OmegaConf.merge(base, top)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise RecipeError(said_by(error)) from None


def _drop_replaced(base: DictConfig, top: DictConfig) -> None:
    for key in top:
        below, above = base._get_node(key), top._get_node(key)
        if not isinstance(below, Container) or not isinstance(above, Container):
            continue
        if not isinstance(below, DictConfig) or not isinstance(above, DictConfig):
            del base[key]
        elif above._is_none() or above._is_interpolation():
            continue
        elif not above or ("type" in below and "type" in above and below._get_node("type") != above._get_node("type")):
            del base[key]  # `{}` is nothing, not what was there
        elif not below._is_none():
            _drop_replaced(below, above)


def said_by(error: OmegaConfBaseException) -> str:
    """The key and what OmegaConf says of it, which may repeat the value, unless that is a secret."""
    key, reason = getattr(error, "full_key", None) or "", first_line(error)
    if unset := re.search(r"Environment variable '([^']+)' not found", str(error)):
        reason = f"environment variable {unset[1]} is not set"
    elif isinstance(error, MissingMandatoryValue):
        reason = "a value is missing ('???')"
    elif is_secret_name(str(key).rpartition(".")[2]):
        reason = "its value cannot be read (a plain `$` before `{` is written `\\$`)"
    elif isinstance(error, (InterpolationResolutionError, GrammarParseError)):
        reason += r"; where ${…} is meant as text, write \${…} (in double quotes \\${…})"
    return f"{key}: {reason}" if key else reason


def phase_of_recipe(file: Path, children: tuple[Path, ...] = ()) -> Phase | None:
    """The phase that a recipe file configures: `pretrain.yaml` and `pretrain-cpu.yaml` are both pretraining, and so is what extends them,
    whatever its name."""
    if named := phase_named(file.stem) or phase_named(file.stem.partition("-")[0]):
        return named
    if file in children or not file.is_file():
        return None
    try:
        paths = [beside(file, parent) for parent in parents_of(read_file(file)) if isinstance(parent, str)]
    except RecipeError:  # reading it as a recipe says so
        return None
    return next((phase for p in paths if (phase := phase_of_recipe(p, (*children, file)))), None)
