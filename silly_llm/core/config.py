"""Recipes: YAML or JSON files that extend each other, with environments, interpolation and overrides.

Order, later wins: the files named by `extends`, the file itself, the chosen entry of `environments`, the
command line's `--a.b value`. OmegaConf merges and interpolates; `check` turns the result into a typed dataclass and
refuses unknown keys and wrong types before anything is written.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import os
import re
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from silly_llm.core.console.masking import mask, remember
from silly_llm.core.errors import RecipeError
from silly_llm.core.lookup import home, locate
from silly_llm.core.phases import PHASES
from silly_llm.core.recipe_files import environment_of, map_texts, overlay, read_with_parents, said_by
from silly_llm.core.registry import config_class_of, resolve
from silly_llm.core.schema import check, hint_below, read

A = TypeVar("A")
ENVIRONMENT_VARIABLE = "SILLY_LLM_ENVIRONMENT"
COMPONENTS = {
    "provider": "llm_provider",
    "prompt_generator": "prompt_generator",
    "optimizer": "optimizer",
    "dataset": "data_provider",
    "eval_dataset": "data_provider",
}
"""The keys whose options have the types that the component named by `type` gives them."""


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
    """`--a.b text`, nested; the text as it was given, a list of several, `True` where there was none; `Exactly` of `--a.b:=JSON`."""


@dataclass(frozen=True)
class Exactly:
    """A value of the command line that is what it says, whatever the type of its key."""

    value: Any


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
    def where(self) -> str:
        """How messages name the recipe."""
        return str(self.file or "command line")

    def masked(self) -> dict[str, Any]:
        """The resolved values without secrets: what may be printed, saved and published."""
        return mask(self.values)


def load_recipe(argv: list[str] | Options | None, *, phase: str, arguments: type[A]) -> Recipe[A]:
    """Read, merge, resolve and check the recipe that `argv` names.

    Args:
        argv: the command line without the program, or what `parse_argv` made of it; `None` is `sys.argv[1:]`.
        phase: a key of `silly_llm.core.phases.PHASES`.
        arguments: the dataclass that the recipe's keys must fit.

    Raises:
        RecipeError: naming the file, the key and, for unknown ones, the nearest known one.
        SystemExit: code 0, after printing the recipe for `--print_config`.
    """
    options = argv if isinstance(argv, Options) else parse_argv(sys.argv[1:] if argv is None else argv)
    file = locate(options.config) if options.config is not None else None
    values = read_recipe(file, options, arguments)
    run_name = run_name_of(file, options.environment)
    if "output_dir" in {f.name for f in dataclasses.fields(arguments)}:  # type: ignore[arg-type]
        values.setdefault("output_dir", str(Path(options.output_root) / run_name / PHASES[phase].folder))
    args = check(values, arguments, where=str(file or "command line"))
    recipe = Recipe(phase, args, values, file, options, run_name)
    if options.print_config:
        print(to_yaml(recipe.masked()), end="")
        raise SystemExit(0)
    return recipe


def parse_argv(argv: list[str]) -> Options:
    """Split a command line into `Options` and nested overrides.

    `--a.b 1`, `--a.b=1` and `--a-b 1` (for `a_b`) all work; a key without a value is true; several values make a list. What a text
    means is for the type of its key to say (`silly_llm.core.schema.read`); `--a.b:=JSON` says it by itself.
    """
    if odd := next((token for token in argv if re.search("[\ud800-\udfff]", token)), None):
        raise RecipeError(f"command line: {odd!a} is not UTF-8 text; rename the file")
    given: list[tuple[str, bool, list[str]]] = []
    for token in argv:
        name, closed, texts = given[-1] if given else ("", True, [])
        if token.startswith("--") and token != "--":
            name, equals, text = token[2:].partition("=")
            given.append((name, bool(equals), [text] if equals else []))
        elif closed or token == "--":
            raise RecipeError(f"command line: expected --key value, got {mask(token, name)!r}")
        else:
            texts.append(token)

    said: dict[str, Any] = {}
    keys = [name.replace("-", "_").removesuffix(":") for name, _, _ in given]
    for outer, inner in itertools.permutations(keys, 2):
        if inner.startswith(f"{outer}."):
            way_out = f"; name a component by --{outer}.type" if outer in COMPONENTS else ""
            way_out = "; name a preset by --model.preset" if outer == "model" else way_out
            raise RecipeError(
                f"command line: --{outer} and --{inner} are both given, so one would undo the other{way_out}"
            )
    for key, (name, closed, texts) in zip(keys, given, strict=True):
        value: Any = True if not texts else texts[0] if len(texts) == 1 else texts
        *path, last = key.split(".")
        remember(value, last)
        if closed and name.endswith(":"):
            try:
                value = Exactly(json.loads(texts[0]))
            except json.JSONDecodeError as error:
                raise RecipeError(f"command line: --{name}= takes JSON ({error.msg})") from None
            remember(value.value, last)
        functools.reduce(lambda inside, part: inside.setdefault(part, {}), path, said)[last] = value
    hints = typing.get_type_hints(Options)
    ours = {name: read(said.pop(name), hints[name]) for name in hints.keys() & said.keys() - {"overrides"}}
    ours.setdefault("environment", os.environ.get(ENVIRONMENT_VARIABLE) or "default")
    return check({**expand_home(ours), "overrides": said}, Options, where="command line")


def run_name_of(file: Path | None, environment: str) -> str:
    """The name of a run: the recipe folder's, and the environment's when it is not `default`."""
    name = file.resolve().parent.name if file else ""
    return name if environment == "default" else "-".join(filter(None, (name, environment)))


def read_recipe(file: Path | None, options: Options, arguments: type) -> dict[str, Any]:
    """The merged, interpolated values of a recipe as plain Python; unchecked, but what the command line says is read by the types
    of `arguments`."""
    root = Path(options.output_root) / run_name_of(file, options.environment)
    OmegaConf.register_resolver("run", lambda path="": str(root / path), replace=True)
    merged = read_with_parents(file) if file else {}
    merged = overlay(merged, environment_of(merged.pop("environments", None) or {}, file, options.environment))
    said, where = _typed(options.overrides, arguments, merged), "command line"
    try:
        OmegaConf.create(said)
        where = str(file or where)
        content = OmegaConf.create(overlay(merged, said))
        values: dict[str, Any] = OmegaConf.to_container(content, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise RecipeError(f"{where}: {said_by(error)}") from None
    values = expand_home(values)
    remember(values)
    return values


def expand_home(value: Any) -> Any:
    """`~/…` and `~someone/…` in any text of a recipe as a shell would give it."""
    return map_texts(value, lambda text: str(home(text)) if text.startswith("~") and "/" in text else text)


def _typed(said: Mapping[str, Any], hint: Any, under: Any) -> dict[str, Any]:
    """What the command line said, read by the type that each key has; `under` is what it will be laid over."""
    values: dict[str, Any] = {}
    for key, text in said.items():
        below, covered = hint_below(hint, key), under.get(key) if isinstance(under, Mapping) else None
        if isinstance(text, Mapping):
            named = text.get("type") or (covered.get("type") if isinstance(covered, Mapping) else None)
            if key in COMPONENTS and isinstance(named, str) and ":" not in named and hint_below(below, "") is Any:
                below = config_class_of(resolve(COMPONENTS[key], named)) or below
            values[key] = _typed(text, below, covered)
        else:
            values[key] = text.value if isinstance(text, Exactly) else read(text, below)
    return values


def to_yaml(values: dict[str, Any]) -> str:
    """Plain values as YAML, keys in their order."""
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one of dotted keys; of a key that stands there twice (nested and dotted) the later value."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping) and value  # an empty one is a value
        flat |= flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat
