"""Files of recipes, read with what they extend, in an environment."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import YAMLError

from silly_llm.core.console.masking import is_secret_name, remember
from silly_llm.core.errors import RecipeError, first_line, suggestion
from silly_llm.core.lookup import beside, home, locate, name_of
from silly_llm.core.phases import Phase, phase_named

ENDINGS = (".yaml", ".yml", ".json")


def read_file(file: Path) -> dict[str, Any]:
    """One recipe file as it stands, its `extends` unread; a RecipeError where it is no mapping in YAML or JSON."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        as_json = file.suffix == ".json" and text.strip()
        content = OmegaConf.create(json.loads(text, object_pairs_hook=_unique) if as_json else text)
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
    except KeyError as error:
        reason = f"not JSON (found duplicate key {error.args[0]})"
    except OmegaConfBaseException as error:
        reason = said_by(error)
    else:
        if content and isinstance(content, DictConfig):
            values: Any = OmegaConf.to_container(content)
            remember(values)
            return values
        reason = "a recipe must be a mapping of keys to values" if content else "is empty"
    raise RecipeError(f"{file}: {reason}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping in JSON; a KeyError where a key stands in it twice, of which YAML takes neither."""
    if repeated := [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]:
        raise KeyError(repeated[0])
    return dict(pairs)


def _not_yaml(error: YAMLError, text: str) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or first_line(error)
    if mark is None:
        return f"not YAML ({problem})"
    key = [*text.splitlines(), ""][mark.line].partition(":")[0].strip(" -{'\"")
    if is_secret_name(key):  # what YAML says of a value may repeat it
        problem = f"the value of {key} needs quotes"
    return f"line {mark.line + 1}: not YAML ({problem})"


def read_with_parents(file: Path, children: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe file laid over those that it extends; `${here:foods.txt}` is the file beside the recipe in which it stands."""
    resolved = file.resolve()
    if resolved in children:
        chain = " → ".join(p.name for p in (*children[children.index(resolved) :], resolved))
        raise RecipeError(f"{children[0]}: circular extends ({chain})")

    def here(text: str) -> str:
        return re.sub(r"\$\{here:([^{}]*)\}", lambda found: str(Path(name_of(file.parent), found[1])), text)

    content = map_texts(read_file(file), here)
    merged: dict[str, Any] = {}
    for parent in parents_of(content):
        if not isinstance(parent, str):
            raise RecipeError(f"{file}: extends: expected a path or a list of paths, got {parent!r}")
        path = beside(file, parent)
        if not path.is_file():
            raise RecipeError(f"{file}: extends: no such file {str(file.parent / home(parent))!r}")
        merged = overlay(merged, read_with_parents(path, (*children, resolved)))
    content.pop("extends", None)
    return overlay(merged, content)


def parents_of(content: Mapping[str, Any]) -> list[Any]:
    """What a recipe says that it extends."""
    parents = content.get("extends") or []
    return parents if isinstance(parents, list) else [parents]


def overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`: mappings merge, but for `{}` and a component (a mapping with `type`) of another type; all else replaces."""
    merged = dict(below)
    for key, new in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(new, dict) and new:
            types = [mapping["type"] for mapping in (old, new) if "type" in mapping]
            if len(types) < 2 or types[0] == types[1]:
                merged[key] = overlay(old, new)
                continue
        if isinstance(old, (dict, list)) and isinstance(new, (dict, list)):
            del merged[key]  # the new one comes last: prompts fill their slots in this order
        merged[key] = new
    return merged


def map_texts(value: Any, change: Callable[[str], Any]) -> Any:
    """Plain values with `change` applied to each text."""
    if isinstance(value, dict):
        return {key: map_texts(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def environment_of(environments: Any, file: Path | None, name: str) -> dict[str, Any]:
    """The overlay of a recipe's environment; empty where another recipe of the folder knows that environment."""
    if not isinstance(environments, dict):
        raise RecipeError(f"{file}: environments: expected a mapping of names to overlays")
    chosen = environments.get(name) or {}
    if not isinstance(chosen, dict):
        raise RecipeError(f"{file}: environments.{name}: expected a mapping")
    if file and name not in {"default", *environments} and name not in (known := environments_of(file.parent)):
        raise RecipeError(f"{file}: unknown environment {name!r}{suggestion(name, {'default', *known})}")
    return chosen


def environments_of(folder: Path) -> set[str]:
    """All environments that the recipes of a folder name."""
    names: set[str] = set()
    for path in sorted(p for p in folder.glob("*.*") if p.suffix in ENDINGS):
        with suppress(RecipeError):  # the file is reported when it is itself read
            environments = read_with_parents(path).get("environments")
            names |= set(map(str, environments)) if isinstance(environments, dict) else set()
    return names


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
