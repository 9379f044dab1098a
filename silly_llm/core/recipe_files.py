"""Files of recipes, read with what they extend, in an environment."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, OmegaConfBaseException
from yaml import YAMLError

from silly_llm.core.errors import RecipeError, first_line, suggestion
from silly_llm.core.lookup import beside, locate, name_of
from silly_llm.core.masking import is_secret_name, remember
from silly_llm.core.phases import Phase, phase_named

ESCAPE = r"where ${…} is meant as text, write \${…} (in double quotes \\${…})"


def read_file(file: Path) -> DictConfig:
    """One recipe file as it stands, its `extends` unread.

    Raises:
        RecipeError: no such file, empty, not UTF-8, not YAML or JSON, or not a mapping.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = suggestion(file.name, (p.name for p in locate(file.parent).glob("*.*")))
        raise RecipeError(f"{file}: no such recipe file{near}") from None
    except IsADirectoryError:
        raise RecipeError(
            f"{file}: is a folder; name one of its recipe files (or use `silly-llm run {file}`)"
        ) from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{file}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise RecipeError(f"{file}: cannot be read ({error.strerror})") from None
    if not text.strip():
        raise RecipeError(f"{file}: is empty")
    try:
        content = OmegaConf.create(json.loads(text)) if file.suffix == ".json" else OmegaConf.create(text)
    except json.JSONDecodeError as error:
        raise RecipeError(f"{file}: line {error.lineno}: not JSON ({error.msg})") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or first_line(error)
        line_of_it = [*text.splitlines(), ""][mark.line] if mark else ""
        key = line_of_it.partition(":")[0].strip(" -{'\"")
        if is_secret_name(key):  # what YAML says of a value may repeat it
            problem = f"the value of {key} needs quotes"
        raise RecipeError(f"{file}:{line} not YAML ({problem})") from None
    except OmegaConfBaseException as error:
        escape = f"; {ESCAPE}" if isinstance(error, GrammarParseError) else ""
        raise RecipeError(f"{file}: {key_of(error)}{reason_of(error)}{escape}") from None
    if not isinstance(content, DictConfig):
        raise RecipeError(f"{file}: a recipe must be a mapping of keys to values")
    if not content:
        raise RecipeError(f"{file}: is empty")
    remember(OmegaConf.to_container(content))
    return content


def read_with_parents(file: Path, children: tuple[Path, ...]) -> DictConfig:
    resolved = file.resolve()
    if resolved in children:
        chain = " → ".join(p.name for p in (*children[children.index(resolved) :], resolved))
        raise RecipeError(f"{children[0]}: circular extends ({chain})")
    content = _here(read_file(file), file.parent)
    parents = content.pop("extends", None) or []
    parents = [parents] if isinstance(parents, str) else parents
    merged = OmegaConf.create({})
    for parent in parents:
        if not isinstance(parent, str):
            raise RecipeError(f"{file}: extends: expected a path or a list of paths, got {parent!r}")
        path = beside(file, parent)
        if not path.is_file():
            raise RecipeError(f"{file}: extends: no such file {str(file.parent / parent)!r}")
        merged = overlay(merged, read_with_parents(path, (*children, resolved)))
    return overlay(merged, content)


def _here(content: DictConfig, folder: Path) -> DictConfig:
    """`${here:foods.txt}` as the file beside the recipe in which it stands, also when another recipe extends that one."""

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(v) for key, v in value.items()}
        if isinstance(value, list):
            return [replaced(v) for v in value]
        if not isinstance(value, str):
            return value
        return re.sub(r"\$\{here:([^{}]*)\}", lambda found: str(Path(name_of(folder), found[1])), value)

    return OmegaConf.create(replaced(OmegaConf.to_container(content)))


def environment_of(environments: Any, file: Path | None, name: str) -> DictConfig:
    if not isinstance(environments, (dict, DictConfig)):
        raise RecipeError(f"{file}: environments: expected a mapping of names to overlays")
    if name in environments:
        chosen = environments[name]
        if chosen is not None and not isinstance(chosen, DictConfig):
            raise RecipeError(f"{file}: environments.{name}: expected a mapping")
        return chosen or OmegaConf.create({})
    known = set(environments) | (environments_of(file.parent) if file else set())
    if name != "default" and file and name not in known:
        raise RecipeError(f"{file}: unknown environment {name!r}{suggestion(name, known | {'default'})}")
    return OmegaConf.create({})


def environments_of(folder: Path) -> set[str]:
    """All environments that the recipes of a folder name: each is known to the others, which it leaves unchanged."""
    names: set[str] = set()
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml"), *folder.glob("*.json")]):
        try:
            environments = read_with_parents(path, ()).get("environments")
        except RecipeError:
            continue  # the file is reported when it is itself read
        if isinstance(environments, DictConfig):
            names |= {str(name) for name in environments}
    return names


def overlay(base: DictConfig, top: DictConfig) -> DictConfig:
    """`top` merged over `base`; a component (a mapping with `type`) of another type replaces, and so do lists and `{}`."""
    _drop_replaced(base, top)
    try:
        return OmegaConf.merge(base, top)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise RecipeError(f"{key_of(error)}{reason_of(error)}") from None


def _drop_replaced(base: DictConfig, top: DictConfig) -> None:
    for key in top:
        below, above = base._get_node(key), top._get_node(key)
        if not isinstance(below, DictConfig) or not isinstance(above, DictConfig):
            if isinstance(below, Container) and isinstance(above, Container):
                del base[key]
            continue
        if not above._is_none() and not above._is_interpolation() and not len(above):
            del base[key]  # `{}` is nothing, not what was there
            continue
        if "type" in below and "type" in above and below._get_node("type") != above._get_node("type"):
            del base[key]
        elif not below._is_none() and not above._is_none():
            _drop_replaced(below, above)


def reason_of(error: OmegaConfBaseException) -> str:
    """What OmegaConf says, which may repeat the value, unless that is a secret."""
    secret = is_secret_name(str(getattr(error, "full_key", None) or "").rpartition(".")[2])
    return "its value cannot be read (a plain `$` before `{` is written `\\$`)" if secret else first_line(error)


def phase_of_recipe(file: Path, children: tuple[Path, ...] = ()) -> Phase | None:
    """The phase that a recipe file configures: `pretrain.yaml` and `pretrain-cpu.yaml` are both pretraining, and so is what extends them,
    whatever its name."""
    if named := phase_named(file.stem) or phase_named(file.stem.partition("-")[0]):
        return named
    if file in children or not file.is_file():
        return None
    try:
        parents = read_file(file).get("extends") or []
    except RecipeError:  # reading it as a recipe says so
        return None
    paths = [beside(file, p) for p in ([parents] if isinstance(parents, str) else parents) if isinstance(p, str)]
    return next((phase for p in paths if (phase := phase_of_recipe(p, (*children, file)))), None)


def key_of(error: BaseException) -> str:
    key = getattr(error, "full_key", None)
    return f"{key}: " if key else ""
