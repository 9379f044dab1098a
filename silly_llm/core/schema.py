"""A mapping into a typed dataclass, strictly: every key known, every value of the type its field names.

OmegaConf's structured configs do not know the unions, literals and enums of `TrainingArguments`, so the check is ours.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from silly_llm.core.console.masking import declare, is_secret_name, mask, remember
from silly_llm.core.errors import RecipeError, suggestion

A = TypeVar("A")
NUMBER = re.compile(r"[-+]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
CONSTANTS = {"true": True, "false": False, "null": None}
SWITCHES = {"yes": True, "on": True, "no": False, "off": False}
"""What YAML 1.1, and so a recipe, takes for true and false besides."""


def key(default: Any, help: str) -> Any:
    """A key of a recipe with its line of `--help`. Of a list, and of a callable default, each recipe gets its own; `MISSING`: it must be given."""
    default = default.copy if isinstance(default, list) else default
    if callable(default):
        return dataclasses.field(default_factory=default, metadata={"help": help})
    return dataclasses.field(default=default, metadata={"help": help})


def require(arguments: object, name: str, holds: bool, what: str) -> None:
    """Raise a RecipeError with the key and its value where something does not hold."""
    if not holds:
        raise RecipeError(f"{name}: {what}, got {getattr(arguments, name)}")


def at_least(arguments: object, **bounds: int) -> None:
    """Raise a RecipeError where a number is below its bound; `None` is not."""
    for name, bound in bounds.items():
        value = getattr(arguments, name)
        require(arguments, name, value is None or value >= bound, f"must be at least {bound}")


def check(values: Mapping[str, Any], cls: type[A], *, where: str) -> A:
    """Build `cls` from `values`.

    Args:
        values: plain Python (what YAML gives).
        cls: a dataclass; nested dataclasses, unions, literals, enums, lists, tuples and mappings are followed. Its class method
            `refuse_given`, if any, sees what is given, by key, and may refuse it.
        where: the file (and key) that messages begin with.

    Raises:
        RecipeError: unknown key (with the nearest known one), wrong type, missing key, or what `cls` itself refuses.
    """
    if not isinstance(values, Mapping):
        raise RecipeError(f"{where}: expected a mapping, got {_shown(values)}")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise RecipeError(f"{where}: unknown key {str(key)!r}{suggestion(str(key), fields)}")
        if fields[key].metadata.get("secret"):
            declare(key)
            remember(values[key], key)
    hints = typing.get_type_hints(cls)
    arguments = {key: _convert(value, hints[key], where, key) for key, value in values.items()}
    for name, f in fields.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise RecipeError(f"{where}: the key {name!r} is missing")
    try:
        if refuse := getattr(cls, "refuse_given", None):
            refuse(arguments)
        return cls(**arguments)
    except RecipeError as error:
        raise error if str(error).startswith(where) else type(error)(f"{where}: {error}") from None
    except (ValueError, TypeError, ImportError, NotImplementedError, OSError) as error:
        raise RecipeError(f"{where}: {' '.join(str(error).split())}") from error


# What the command line means ------------------------------------------------------------------------------------------


def read(text: Any, hint: Any) -> Any:
    """What a text of the command line means for a key of this type.

    What it looks like (`look`) where the type takes that, else the text itself, to the last space; then switches, and decimal numbers
    with leading zeros. A key of a list takes a single item too. What does not fit stays as it looks, for `check` to refuse.
    """
    lists = [member for member in _members(hint) if _is(member, Sequence)]
    item = next((parts[0] for member in lists if (parts := typing.get_args(member))), Any)
    if isinstance(text, list):
        return [read(each, item) for each in text]
    if not isinstance(text, str):  # a switch
        return text
    seen = look(text)
    mappings = [member for member in _members(hint) if _is(member, Mapping) or dataclasses.is_dataclass(member)]
    if (lists and isinstance(seen, list)) or (mappings and isinstance(seen, dict)):
        return seen
    decimal = int(text) if re.fullmatch(r"[-+]?\d+(_\d+)*", text) else text
    for meant in (seen, text, SWITCHES.get(text.lower(), text), decimal):
        with suppress(RecipeError):
            _convert(meant, hint, "", "")
            return meant
    return [read(text, item)] if lists and not isinstance(seen, dict) else seen


def look(text: str) -> Any:
    """What a text looks like, by the rules of JSON (YAML 1.2): a number (`12`, `-0.5`, `1e-3`), true, false, null, a list or mapping
    in brackets (by the rules of recipes); everything else is text: `0123`, `1:30`, `yes`, `a: b`."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if text.lower() in CONSTANTS:
        return CONSTANTS[text.lower()]
    if NUMBER.fullmatch(text):
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    if text[:1] + text[-1:] not in ("[]", "{}"):
        return text
    try:
        return OmegaConf.to_container(OmegaConf.create(f"value: {text}"))["value"]  # type: ignore[index, call-overload]
    except (OmegaConfBaseException, YAMLError, TypeError):
        return text


def hint_below(hint: Any, key: str) -> Any:
    """The type of a key within a value of this type; `Any` where that is not known."""
    for member in _members(hint):
        if dataclasses.is_dataclass(member):
            return typing.get_type_hints(member).get(key, Any)
        if _is(member, Mapping) and len(typing.get_args(member)) == 2:
            return typing.get_args(member)[1]
    return Any


def _members(hint: Any) -> tuple[Any, ...]:
    """The types that a union takes; of any other type itself alone."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType, typing.Annotated):
        return tuple(m for part in (parts[:1] if origin is typing.Annotated else parts) for m in _members(part))
    return (hint,)


def _is(hint: Any, *containers: type) -> bool:
    cls = typing.get_origin(hint) or hint
    text = isinstance(cls, type) and issubclass(cls, str) and Sequence in containers
    return isinstance(cls, type) and issubclass(cls, containers) and not text


def default_of(field: dataclasses.Field) -> Any:
    """The default of a dataclass's field; `MISSING` where there is none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


# The check ------------------------------------------------------------------------------------------------------------


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


PLAIN: dict[Any, tuple[str, typing.Callable[[Any], bool]]] = {
    type(None): ("nothing", lambda value: value is None),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: _number(value) and value % 1 == 0 and abs(value) < 2**63),
    float: ("a number", lambda value: _number(value) and math.isfinite(value)),
    str: ("text", lambda value: isinstance(value, str)),
    Path: ("a path", lambda value: isinstance(value, (str, Path))),
}
"""Types without parts: their names, and what is taken for one."""


def _convert(value: Any, hint: Any, where: str, key: str) -> Any:
    """`value` as the type that `hint` names; a RecipeError where it is of another."""
    members = _members(hint)
    wrong: RecipeError | None = None
    # An exact type first, so that 1 stays an integer in `float | int`; then whatever converts.
    for member in sorted(members, key=lambda m: type(value) is not m):
        try:
            if (converted := _as(value, member, where, key)) is not MISSING:
                return converted
        except RecipeError as error:  # of a part: it says more
            wrong = error
    choices = [choice for member in members for choice in _choices(member) if isinstance(value, str)]
    near = suggestion(str(value), choices)
    raise wrong or RecipeError(f"{where}: {key}: expected {_named(hint)}, got {_shown(value, key)}{near}")


def _as(value: Any, hint: Any, where: str, key: str) -> Any:
    """`value` as one type that is no union; `MISSING` where it is none, a RecipeError where a part of it is not."""
    parameters, cls = typing.get_args(hint), typing.get_origin(hint) or hint
    if cls in PLAIN:
        return MISSING if not PLAIN[cls][1](value) else value if value is None else cls(value)
    if choices := _choices(hint):
        chosen = "no" if value is False and cls is not Literal else value  # YAML reads a bare `no` as false
        fits = any(chosen == choice and type(chosen) is type(choice) for choice in choices)
        return MISSING if not fits else chosen if cls is Literal else cls(chosen)
    if dataclasses.is_dataclass(cls):
        return value if isinstance(value, cls) else check(value, cls, where=f"{where}: {key}")  # type: ignore[arg-type]
    if _is(cls, Mapping):
        inner = parameters[1] if len(parameters) == 2 else Any
        fits = isinstance(value, Mapping)
        return {k: _convert(v, inner, where, f"{key}.{k}") for k, v in value.items()} if fits else MISSING
    if _is(cls, Sequence, set, frozenset, Iterable):
        inner = parameters[0] if parameters else Any
        if not isinstance(value, (list, tuple)):
            return MISSING
        items = [_convert(v, inner, where, f"{key}[{i}]") for i, v in enumerate(value)]
        return tuple(items) if cls is tuple else items
    return value  # Any, a type variable, a class that no recipe can write


def _choices(hint: Any) -> Sequence[Any]:
    """The values of a literal or an enum."""
    cls = typing.get_origin(hint) or hint
    return typing.get_args(hint) if cls is Literal else [member.value for member in cls] if _is(cls, enum.Enum) else ()


def _named(hint: Any) -> str:
    """How messages name a type."""
    names = []
    for member in _members(hint):
        parameters, cls = typing.get_args(member), typing.get_origin(member) or member
        if cls in PLAIN:
            names.append(PLAIN[cls][0])
        elif choices := _choices(member):
            names.append(f"one of {', '.join(map(repr, choices))}")
        elif _is(cls, Mapping) or dataclasses.is_dataclass(cls):
            names.append("a mapping")
        elif _is(cls, Sequence):
            names.append(f"a list of {_named(parameters[0])}" if parameters else "a list")
        else:
            names.append(getattr(cls, "__name__", str(cls)))
    return " or ".join(dict.fromkeys(name for name in names if name != "nothing"))


def _shown(value: Any, key: str = "") -> str:
    """A value in a message; of a secret (`provider.api_key[0]`) only what kind of thing it is."""
    if any(is_secret_name(part) for part in key.partition("[")[0].split(".")):
        return "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"
    text = repr(mask(value))
    return text if len(text) <= 60 else text[:57] + "..."
