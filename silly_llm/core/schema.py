"""A mapping into a typed dataclass, strictly: every key known, every value of the type its field names.

OmegaConf's structured configs do not know the unions, literals and enums of `TrainingArguments`, so the check is ours.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.masking import declare, is_secret_name, mask, remember

A = TypeVar("A")
NUMBER = re.compile(r"[-+]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
SWITCHES = {"yes": True, "on": True, "no": False, "off": False}
"""What YAML 1.1, and so a recipe, takes for true and false besides."""


def check(values: Mapping[str, Any], cls: type[A], *, where: str) -> A:
    """Build `cls` from `values`.

    Args:
        values: plain Python (what YAML gives).
        cls: a dataclass; nested dataclasses, unions, literals, enums, lists, tuples and mappings are followed. Its class method
            `refuse`, if any, sees what is given, by key, and may refuse it.
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
    for key, value in values.items():
        if fields[key].metadata.get("secret"):
            declare(key)
            remember(value, key)
    hints = typing.get_type_hints(cls)
    arguments = {key: _coerce(value, hints[key], where, key) for key, value in values.items()}
    for name, f in fields.items():
        if name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise RecipeError(f"{where}: the key {name!r} is missing")
    try:
        if refuse := getattr(cls, "refuse", None):
            refuse(arguments)
        return cls(**arguments)
    except RecipeError as error:
        raise error if str(error).startswith(where) else type(error)(f"{where}: {error}") from None
    except (ValueError, TypeError, ImportError, NotImplementedError, OSError) as error:
        raise RecipeError(f"{where}: {' '.join(str(error).split())}") from error


# What the command line means ------------------------------------------------------------------------------------------


def read(text: str | list[str], hint: Any) -> Any:
    """What a text of the command line means for a key of this type.

    A key of text takes it as it is, to the last space; `null` is nothing wherever a key may be nothing; numbers are decimal, also with
    leading zeros. A key that takes text and something else besides gets the other thing where the text looks exactly like it (`look`);
    so does one whose type is not known. A key of a list takes a single item too. What does not fit stays text, for `check` to refuse.
    """
    members = _members(hint)
    if isinstance(text, list):
        return [read(item, _item(members)) for item in text]
    if not isinstance(text, str) or (text == "null" and type(None) in members):
        return text if not isinstance(text, str) else None
    seen = look(text)
    if Any in members:
        return seen
    literals = [p for m in members if typing.get_origin(m) is Literal for p in typing.get_args(m)]
    listed = _item(members) is not Any or any(_is(m, Sequence) for m in members)
    if isinstance(seen, dict):
        fits = any(_is(m, Mapping) or dataclasses.is_dataclass(m) for m in members)
    elif isinstance(seen, list):
        fits = listed
    elif isinstance(seen, bool):
        fits = bool in members or any(seen is p for p in literals)
    else:
        fits = (isinstance(seen, (int, float)) and float in members) or (int in members and _whole(seen))
    if fits:
        return seen
    if any(m in (str, Path) or _is(m, enum.Enum) for m in members) or any(isinstance(p, str) for p in literals):
        return text
    if bool in members and text.lower() in SWITCHES:
        return SWITCHES[text.lower()]
    if {int, float} & set(members) and re.fullmatch(r"[-+]?\d[\d_]*", text):
        return int(text)
    return [read(text, _item(members))] if listed and not isinstance(seen, dict) else seen


def look(text: str) -> Any:
    """What a text looks like, by the rules of JSON (YAML 1.2): a number (`12`, `-0.5`, `1e-3`), true, false, null, a list or mapping
    in brackets (which are YAML); everything else is text: `0123`, `1:30`, `yes`, `a: b`."""
    if text.lower() in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text.lower()]
    if NUMBER.fullmatch(text):
        return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)
    structure = flow(text)
    return text if structure is None else structure


def flow(text: str) -> Any:
    """The list or mapping that a text in brackets is, by the rules of recipes; `None` where it is none."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if text[:1] + text[-1:] not in ("[]", "{}"):
        return None
    try:
        return OmegaConf.to_container(OmegaConf.create(f"value: {text}"))["value"]  # type: ignore[index, call-overload]
    except (OmegaConfBaseException, YAMLError, TypeError):
        return None


def hint_below(hint: Any, key: str) -> Any:
    """The type of a key within a value of this type; `Any` where that is not known."""
    for member in _members(hint):
        if dataclasses.is_dataclass(member):
            return typing.get_type_hints(member).get(key, Any)
        if _is(member, Mapping) and len(typing.get_args(member)) == 2:
            return typing.get_args(member)[1]
    return Any


def _members(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (Union, types.UnionType):
        return tuple(m for part in typing.get_args(hint) for m in _members(part))
    return _members(typing.get_args(hint)[0]) if typing.get_origin(hint) is typing.Annotated else (hint,)


def _item(members: tuple[Any, ...]) -> Any:
    """The type of the items of the list among the types of a key."""
    return next((a[0] for m in members if _is(m, Sequence) and (a := typing.get_args(m))), Any)


def _is(hint: Any, container: type) -> bool:
    cls = typing.get_origin(hint) or hint
    return isinstance(cls, type) and issubclass(cls, container) and not issubclass(cls, str)


def _whole(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


# The check ------------------------------------------------------------------------------------------------------------


class _Mismatch(Exception):
    pass


def _coerce(value: Any, hint: Any, where: str, key: str) -> Any:
    try:
        return _convert(value, hint, where, key)
    except _Mismatch:
        raise RecipeError(f"{where}: {key}: expected {_named(hint)}, got {_shown(value, key)}") from None


def _convert(value: Any, hint: Any, where: str, key: str) -> Any:
    origin, parameters = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return value
    if origin is typing.Annotated:
        return _convert(value, parameters[0], where, key)
    if origin in (Union, types.UnionType):
        return _convert_union(value, parameters, where, key)
    if origin is Literal:
        if value in parameters and not (
            isinstance(value, bool) and True not in parameters and False not in parameters
        ):
            return value
        near = suggestion(value, parameters) if isinstance(value, str) else ""
        raise RecipeError(
            f"{where}: {key}: expected one of {', '.join(map(repr, parameters))}, got {_shown(value, key)}{near}"
        )
    if hint is None or hint is type(None):
        return _accept(value is None, value)
    if hint is bool:
        return _accept(isinstance(value, bool), value)
    if hint is int:
        whole = isinstance(value, float) and value.is_integer()
        return int(_accept((isinstance(value, int) or whole) and not isinstance(value, bool), value))
    if hint is float:
        return float(_accept(isinstance(value, (int, float)) and not isinstance(value, bool), value))
    if hint is str:
        return _accept(isinstance(value, str), value)
    if hint is Path:
        return Path(_accept(isinstance(value, (str, Path)), value))
    container = origin or hint
    if not isinstance(container, type):
        return value
    if dataclasses.is_dataclass(container):
        return value if isinstance(value, container) else check(value, container, where=f"{where}: {key}")
    if issubclass(container, enum.Enum):
        try:
            return container("no" if value is False else value)  # YAML reads a bare `no` as false
        except ValueError:
            raise _Mismatch from None
    if issubclass(container, Mapping):
        _accept(isinstance(value, Mapping), value)
        inner = parameters[1] if len(parameters) == 2 else Any
        return {k: _coerce(v, inner, where, f"{key}.{k}") for k, v in value.items()}
    if issubclass(container, (Sequence, set, frozenset)) or container in (Iterable, list, tuple):
        _accept(isinstance(value, (list, tuple)), value)
        inner = parameters[0] if parameters else Any
        items = [_coerce(v, inner, where, f"{key}[{i}]") for i, v in enumerate(value)]
        return tuple(items) if container is tuple else items
    return value


def _convert_union(value: Any, members: tuple, where: str, key: str) -> Any:
    if value is None and type(None) in members:
        return None
    # An exact type first, so that 1 stays an integer in `float | int`; then whatever converts.
    ordered = sorted((m for m in members if m is not type(None)), key=lambda m: type(value) is not m)
    failure: RecipeError | None = None
    for member in ordered:
        try:
            return _convert(value, member, where, key)
        except _Mismatch:
            continue
        except RecipeError as error:
            failure = error
    if failure is not None:
        raise failure
    raise _Mismatch


def _accept(condition: bool, value: Any) -> Any:
    if not condition:
        raise _Mismatch
    return value


def _named(hint: Any) -> str:
    origin, parameters = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_named(p) for p in parameters if p is not type(None)))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, parameters))
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
    if hint in names:
        return names[hint]
    container = origin or hint
    if isinstance(container, type):
        if issubclass(container, Mapping) or dataclasses.is_dataclass(container):
            return "a mapping"
        if issubclass(container, enum.Enum):
            return "one of " + ", ".join(repr(m.value) for m in container)
        if issubclass(container, Sequence):
            return f"a list of {_named(parameters[0])}" if parameters else "a list"
    return getattr(hint, "__name__", str(hint))


def _shown(value: Any, key: str = "") -> str:
    """A value in a message; of a secret (`provider.api_key[0]`) only what kind of thing it is."""
    if any(is_secret_name(part) for part in key.partition("[")[0].split(".")):
        return "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"
    text = repr(mask(value))
    return text if len(text) <= 60 else text[:57] + "..."
