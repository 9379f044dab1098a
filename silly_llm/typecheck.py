"""A mapping into a typed dataclass, strictly: every key known, every value of the type its field names.

OmegaConf's structured configs do not know the unions, literals and enums of `TrainingArguments`, so the check is ours.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from silly_llm.errors import RecipeError, suggestion
from silly_llm.masking import declare, is_secret_name, mask, remember

A = TypeVar("A")


def check(values: Mapping[str, Any], cls: type[A], *, where: str) -> A:
    """Build `cls` from `values`.

    Args:
        values: plain Python (what YAML gives).
        cls: a dataclass; nested dataclasses, unions, literals, enums, lists, tuples and mappings are followed.
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
        if (
            name not in values
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ):
            raise RecipeError(f"{where}: the key {name!r} is missing")
    try:
        return cls(**arguments)
    except RecipeError as error:
        raise error if str(error).startswith(where) else type(error)(f"{where}: {error}") from None
    except (ValueError, TypeError, ImportError, NotImplementedError) as error:
        raise RecipeError(f"{where}: {' '.join(str(error).split())}") from error


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
