"""Recipes: YAML or JSON files that extend each other, with environments, interpolation and overrides.

Order, later wins: the files named by `extends`, the file itself, the chosen entry of `environments`, the
command line's `--a.b value`. OmegaConf merges and interpolates; `check` turns the result into a typed dataclass and
refuses unknown keys and wrong types before anything is written.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

from silly_llm.errors import RecipeError, suggestion
from silly_llm.lookup import beside, locate, name_of
from silly_llm.phases import PHASES
from silly_llm.typecheck import check

A = TypeVar("A")
ENVIRONMENT_VARIABLE = "SILLY_LLM_ENVIRONMENT"
SECRET_KEYS = frozenset(
    {"token", "api_key", "hub_token", "password", "secret", "authorization", "push_to_hub_token"}
)
SECRET_VARIABLE = re.compile(r"TOKEN|API_?KEY|SECRET|PASSWORD", re.IGNORECASE)
MASK = "********"

__all__ = ["Options", "Recipe", "check", "load_recipe", "parse_argv", "read_recipe", "to_yaml"]


@dataclass
class Options:
    """What the command line says besides the recipe's keys."""

    config: str | None = None
    environment: str = "default"
    output_root: str = "runs"
    print_config: bool = False
    force: bool = False
    debug: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass
class Recipe(Generic[A]):
    """A resolved recipe of one phase."""

    phase: str
    args: A
    values: dict[str, Any]
    file: Path | None
    options: Options
    run_name: str

    @property
    def environment(self) -> str:
        return self.options.environment

    @property
    def output_root(self) -> Path:
        return Path(self.options.output_root)

    @property
    def where(self) -> str:
        """How messages name the recipe."""
        return str(self.file) if self.file else "command line"

    def masked(self) -> dict[str, Any]:
        """The resolved values without secrets: what may be printed, saved and published."""
        return mask(self.values)


def load_recipe(argv: list[str] | None, *, phase: str, arguments: type[A]) -> Recipe[A]:
    """Read, merge, resolve and check the recipe that `argv` names.

    Args:
        argv: the command line without the program; `None` is `sys.argv[1:]`.
        phase: a key of `silly_llm.phases.PHASES`.
        arguments: the dataclass that the recipe's keys must fit.

    Raises:
        RecipeError: naming the file, the key and, for unknown ones, the nearest known one.
        SystemExit: code 0, after printing the recipe for `--print_config`.
    """
    options = parse_argv(sys.argv[1:] if argv is None else argv)
    file = locate(options.config) if options.config else None
    values = read_recipe(file, options)
    run_name = run_name_of(file, options.environment)
    names = {f.name for f in dataclasses.fields(arguments)}  # type: ignore[arg-type]
    if "output_dir" in names and "output_dir" not in values:
        values["output_dir"] = str(Path(options.output_root) / run_name / PHASES[phase].folder)
    args = check(values, arguments, where=str(file) if file else "command line")
    recipe = Recipe(phase, args, values, file, options, run_name)
    if options.print_config:
        print(to_yaml(recipe.masked()), end="")
        raise SystemExit(0)
    return recipe


def parse_argv(argv: list[str]) -> Options:
    """Split a command line into `Options` and nested overrides.

    `--a.b 1`, `--a.b=1` and `--a-b 1` (for `a_b`) all work; a key without a value is true; several values make a list.
    Values are YAML.
    """
    options = Options(environment=os.environ.get(ENVIRONMENT_VARIABLE) or "default")
    position = 0
    while position < len(argv):
        token = argv[position]
        if not token.startswith("--") or token == "--":
            raise RecipeError(f"command line: expected --key value, got {token!r}")
        name, equals, text = token[2:].partition("=")
        position += 1
        texts = [text] if equals else []
        while not equals and position < len(argv) and not argv[position].startswith("--"):
            texts.append(argv[position])
            position += 1
        key = name.replace("-", "_")
        if key in ("config", "environment", "output_root"):
            if len(texts) != 1 or not texts[0]:
                raise RecipeError(f"command line: --{key} takes one value")
            setattr(options, key, texts[0])
            continue
        parsed = [parse_value(t) for t in texts]
        value = True if not parsed else parsed[0] if len(parsed) == 1 else parsed
        if key in ("print_config", "force", "debug"):
            if not isinstance(value, bool):
                raise RecipeError(f"command line: --{key} is a switch and takes no value, got {value!r}")
            setattr(options, key, value)
        else:
            _set_nested(options.overrides, key.split("."), value)
    return options


def parse_value(text: str) -> Any:
    """A command line value as YAML reads it; text that only happens to look like a mapping or a date stays text."""
    try:
        value = OmegaConf.to_container(OmegaConf.create(f"value: {text}"))["value"]  # type: ignore[index, call-overload]
    except (OmegaConfBaseException, YAMLError, TypeError):
        return text
    if isinstance(value, dict) and not text.lstrip().startswith("{"):
        return text
    return value if isinstance(value, (bool, int, float, str, list, dict, type(None))) else text


def run_name_of(file: Path | None, environment: str) -> str:
    """The name of a run: the recipe folder's, and the environment's when it is not `default`."""
    name = file.resolve().parent.name if file else ""
    return name if environment == "default" else "-".join(filter(None, (name, environment)))


def read_recipe(file: Path | None, options: Options) -> dict[str, Any]:
    """The merged, interpolated values of a recipe as plain Python, still unchecked."""
    merged = _read_with_parents(file, ()) if file else OmegaConf.create({})
    environments = merged.pop("environments", None) or {}
    merged = _overlay(merged, _environment(environments, file, options.environment))
    merged = _overlay(merged, OmegaConf.create(options.overrides))
    root = Path(options.output_root) / run_name_of(file, options.environment)
    OmegaConf.register_resolver("run", lambda path="": str(root / path), replace=True)
    where = str(file) if file else "command line"
    try:
        return OmegaConf.to_container(merged, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
    except InterpolationResolutionError as error:
        unset = re.search(r"Environment variable '([^']+)' not found", str(error))
        reason = f"environment variable {unset[1]} is not set" if unset else _first_line(error)
        raise RecipeError(f"{where}: {_key_of(error)}{reason}") from None
    except MissingMandatoryValue as error:
        raise RecipeError(f"{where}: {_key_of(error)}a value is missing ('???')") from None
    except OmegaConfBaseException as error:
        raise RecipeError(f"{where}: {_key_of(error)}{_first_line(error)}") from None


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
        raise RecipeError(
            f"{file}:{line} not YAML ({getattr(error, 'problem', None) or _first_line(error)})"
        ) from None
    except OmegaConfBaseException as error:
        raise RecipeError(f"{file}: {_first_line(error)}") from None
    if not isinstance(content, DictConfig):
        raise RecipeError(f"{file}: a recipe must be a mapping of keys to values")
    if not content:
        raise RecipeError(f"{file}: is empty")
    return content


def _read_with_parents(file: Path, children: tuple[Path, ...]) -> DictConfig:
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
        merged = _overlay(merged, _read_with_parents(path, (*children, resolved)))
    return _overlay(merged, content)


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


def _environment(environments: Any, file: Path | None, name: str) -> DictConfig:
    if not isinstance(environments, (dict, DictConfig)):
        raise RecipeError(f"{file}: environments: expected a mapping of names to overlays")
    if name in environments:
        overlay = environments[name]
        if overlay is not None and not isinstance(overlay, DictConfig):
            raise RecipeError(f"{file}: environments.{name}: expected a mapping")
        return overlay or OmegaConf.create({})
    known = set(environments) | (environments_of(file.parent) if file else set())
    if name != "default" and file and name not in known:
        raise RecipeError(f"{file}: unknown environment {name!r}{suggestion(name, known | {'default'})}")
    return OmegaConf.create({})


def environments_of(folder: Path) -> set[str]:
    """All environments that the recipes of a folder name: each is known to the others, which it leaves unchanged."""
    names: set[str] = set()
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml"), *folder.glob("*.json")]):
        try:
            environments = _read_with_parents(path, ()).get("environments")
        except RecipeError:
            continue  # the file is reported when it is itself read
        if isinstance(environments, DictConfig):
            names |= {str(name) for name in environments}
    return names


def _overlay(base: DictConfig, top: DictConfig) -> DictConfig:
    """`top` merged over `base`; a component (a mapping with `type`) of another type replaces, and lists replace."""
    _drop_replaced(base, top)
    try:
        return OmegaConf.merge(base, top)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise RecipeError(f"{_key_of(error)}{_first_line(error)}") from None


def _drop_replaced(base: DictConfig, top: DictConfig) -> None:
    for key in top:
        below, above = base._get_node(key), top._get_node(key)
        if not isinstance(below, DictConfig) or not isinstance(above, DictConfig):
            continue
        if "type" in below and "type" in above and below._get_node("type") != above._get_node("type"):
            del base[key]
        elif not below._is_none() and not above._is_none():
            _drop_replaced(below, above)


def mask(value: Any, key: str = "") -> Any:
    """`value` with secrets replaced: by the name of their key, or because an environment secret holds the same text."""
    if isinstance(value, Mapping):
        return {k: mask(v, str(k)) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(v, key) for v in value]
    if not isinstance(value, str) or not value:
        return value
    if key.lower() in SECRET_KEYS:
        return MASK
    for name, secret in os.environ.items():
        if len(secret) >= 8 and SECRET_VARIABLE.search(name) and secret in value:
            value = value.replace(secret, MASK)
    return value


def to_yaml(values: dict[str, Any]) -> str:
    """Plain values as YAML, keys in their order."""
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)


def _set_nested(target: dict, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        if not isinstance(target.get(part), dict):
            target[part] = {}
        target = target[part]
    target[path[-1]] = value


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one of dotted keys; of a key that stands there twice (nested and dotted) the later value."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _key_of(error: BaseException) -> str:
    key = getattr(error, "full_key", None)
    return f"{key}: " if key else ""
