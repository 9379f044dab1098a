"""Named components: ours by decorator, third parties' by entry point, one-offs as `my_module:MyClass`.

A recipe names a component by `type:` and gives its options beside it. The registry finds the class, checks the
options against the dataclass that its constructor annotates as `config`, and builds it; everything else the
constructor asks for is injected by its annotated type (see `silly_llm.core.container`).

A third party's package adds components without touching a file of ours::

    [options.entry_points]
    silly_llm.plugins =
        my_plugin = my_package.components     # a module that uses @register
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from silly_llm.core.console.streams import is_main_process
from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.schema import check

T = TypeVar("T", bound=type)
ENTRY_POINT_GROUP = "silly_llm.plugins"

KINDS: dict[str, tuple[str, ...]] = {
    "llm_provider": (
        "silly_llm.providers.storyteller",
        "silly_llm.providers.openai",
        "silly_llm.providers.tgi",
        "silly_llm.providers.hf_inference",
        "silly_llm.providers.local",
    ),
    "data_provider": ("silly_llm.data.sources", "silly_llm.data.files"),
    "prompt_generator": ("silly_llm.data.prompts.base", "silly_llm.data.prompts.slots"),
    "story_filter": (
        "silly_llm.data.filters.base",
        "silly_llm.data.filters.chat_artifacts",
        "silly_llm.data.filters.language",
        "silly_llm.data.filters.decontamination",
        "silly_llm.data.filters.near_duplicates",
    ),
    "instruction_type": ("silly_llm.data.instructions.instruct",),
    "optimizer": ("silly_llm.training.optim.base",),
    "evaluation_provider": (
        "silly_llm.evaluation.metrics.perplexity",
        "silly_llm.evaluation.metrics.stories",
        "silly_llm.evaluation.metrics.lm_eval",
    ),
}
"""The kinds of components, and the modules that register ours."""


@dataclass(frozen=True)
class Component:
    """A registered class and where it comes from."""

    kind: str
    name: str
    cls: type
    source: str
    """`silly-llm`, the distribution of a plugin, or the module of a one-off."""

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.cls) or "").strip().partition("\n")[0]


_components: dict[tuple[str, str], Component] = {}
_loaded: set[str] = set()
_loading_from: list[str] = []
_only_registered: ContextVar[bool] = ContextVar("only_registered", default=False)
ONE_OFF = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


@contextmanager
def only_registered() -> Iterator[None]:
    """Within it no code is imported that only a recipe names: for checking and previewing recipes from elsewhere."""
    before = _only_registered.set(True)
    try:
        yield
    finally:
        _only_registered.reset(before)


def register(kind: str, name: str) -> Callable[[T], T]:
    """Class decorator: make a component known by `name` among those of its `kind`.

    Raises:
        ValueError: unknown kind, or the name is taken by another class.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of component {kind!r}{suggestion(kind, KINDS)}")

    def decorate(cls: T) -> T:
        ours = cls.__module__.partition(".")[0] == "silly_llm"
        source = "silly-llm" if ours else _loading_from[-1] if _loading_from else cls.__module__
        known = _components.get((kind, name))
        if known and (known.cls.__module__, known.cls.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"{kind} {name!r} is already registered by {known.source}")
        _components[kind, name] = Component(kind, name, cls, source)
        return cls

    return decorate


def components(kind: str) -> list[Component]:
    """All components of a kind, by name."""
    _load(kind)
    return sorted((c for c in _components.values() if c.kind == kind), key=lambda c: c.name)


def names(kind: str) -> list[str]:
    return [component.name for component in components(kind)]


def resolve(kind: str, name: str) -> type:
    """The class of a component.

    Raises:
        RecipeError: no such component (with the nearest known name), or `module:Class` cannot be imported, or must not
            (`only_registered`).
    """
    if ":" in name:
        require_one_off(name)
        if _only_registered.get():
            raise RecipeError(
                f"{kind.replace('_', ' ')} {name!r} is code of the recipe's own, which is not imported for a dry run; "
                "leave out --dry_run if you trust it"
            )
        return _import_class(name)
    _load(kind)
    if (kind, name) not in _components:
        label = kind.replace("_", " ")
        known = names(kind)
        raise RecipeError(f"unknown {label} {name!r}{suggestion(name, known)}; known: {', '.join(known) or 'none'}")
    return _components[kind, name].cls


def split_type(kind: str, mapping: Mapping[str, Any] | str) -> tuple[str, dict[str, Any]]:
    """The `type` and the options of a component as a recipe writes it."""
    if isinstance(mapping, str):
        return mapping, {}
    if not isinstance(mapping, Mapping) or not isinstance(mapping.get("type"), str):
        raise RecipeError(f"{kind.replace('_', ' ')}: expected a name or a mapping with 'type', got {mapping!r}")
    return mapping["type"], {k: v for k, v in mapping.items() if k != "type"}


def parse_component(kind: str, mapping: Mapping[str, Any] | str, *, where: str = "") -> Any:
    """The checked config of a component, `None` for one without options; builds nothing.

    Within `only_registered` the options of a one-off are not looked at: its code is not imported.

    Raises:
        RecipeError: unknown component, unknown option, wrong type.
    """
    name, options = split_type(kind, mapping)
    if ":" in name and _only_registered.get():
        return require_one_off(name)
    cls = resolve(kind, name)
    label = " ".join(filter(None, (where, f"{kind.replace('_', ' ')} {name!r}")))
    config_class = _config_class(cls)
    if config_class is None:
        if options:
            raise RecipeError(f"{label}: takes no options, got {', '.join(map(repr, options))}")
        return None
    return check(options, config_class, where=label)


def class_to_look_at(kind: str, name: str) -> type | None:
    """The class of a component, for checks; `None` for a one-off within `only_registered`, which nobody looks at."""
    return None if ":" in name and _only_registered.get() else resolve(kind, name)


def options_of(kind: str, name: str) -> type | None:
    """The dataclass of a component's options, `None` for one without."""
    return _config_class(resolve(kind, name))


def constructor_parameters(cls: type) -> list[tuple[str, inspect.Parameter, Any]]:
    if "__init__" not in vars(cls) and cls.__init__ is object.__init__:  # type: ignore[misc]
        return []
    hints = typing.get_type_hints(cls.__init__)  # type: ignore[misc]
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [(p.name, p, hints.get(p.name)) for p in parameters if p.kind not in kinds]


def _config_class(cls: type) -> type | None:
    for name, _, hint in constructor_parameters(cls):
        if name == "config":
            if not (isinstance(hint, type) and is_dataclass(hint)):
                raise TypeError(f"{cls.__qualname__}: annotate `config` with a dataclass")
            return hint
    return None


def _load(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"unknown kind of component {kind!r}{suggestion(kind, KINDS)}")
    for module in KINDS[kind]:
        if module not in _loaded:
            importlib.import_module(module)
            _loaded.add(module)
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        if f"{entry.name}={entry.value}" not in _loaded:
            _load_entry_point(entry)
            _loaded.add(f"{entry.name}={entry.value}")


def _load_entry_point(entry: EntryPoint) -> None:
    source = entry.dist.name if entry.dist else entry.module
    _loading_from.append(source)
    try:
        entry.load()
    except Exception as error:
        raise RecipeError(
            f"plugin {entry.name!r} of {source} does not load: {type(error).__name__}: {error}"
        ) from error
    finally:
        _loading_from.pop()


def require_one_off(name: str) -> None:
    """`module:Class` has that form.

    Raises:
        RecipeError: it has not.
    """
    if not ONE_OFF.fullmatch(name):
        raise RecipeError(f"component {name!r}: expected a known name, or module:Class")


def _import_class(name: str) -> type:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # the last, so that a file here does not stand in for an installed module
    new = module not in sys.modules
    try:
        cls = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"component {name!r} cannot be imported: {error}") from error
    if not isinstance(cls, type):
        raise RecipeError(f"component {name!r} is not a class")
    if new and is_main_process():
        file = getattr(sys.modules[module], "__file__", None)
        print(f"silly-llm: this run uses code of the recipe's own: {module} ({file})", file=sys.stderr, flush=True)
    return cls
