"""Named components: ours by decorator, third parties' by entry point, one-offs as `my_module:MyClass`.

A recipe names a component by `type:` and gives its options beside it. `parse_component` finds the class and checks the
options against the dataclass that its constructor annotates as `config`, or that it is itself; `silly_llm.core.container` builds it. A package's entry point in
the group `silly_llm.plugins` names a module that uses `@register` (docs/architecture/plugins.md).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from silly_llm.core.console.streams import is_main_process
from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.schema import check

T = TypeVar("T", bound=type)
ENTRY_POINT_GROUP = "silly_llm.plugins"
KINDS = {
    "llm_provider": "providers.storyteller providers.openai providers.tgi providers.hf_inference providers.local",
    "data_provider": "data.sources data.files",
    "prompt_generator": "data.prompts.base data.prompts.slots",
    "story_filter": "data.filters.base data.filters.chat_artifacts data.filters.language "
    "data.filters.decontamination data.filters.near_duplicates",
    "instruction_type": "data.instructions.instruct",
    "optimizer": "training.optim.base",
    "training_callback": "evaluation.callback",
    "evaluation_provider": "evaluation.metrics.perplexity evaluation.metrics.stories evaluation.metrics.lm_eval evaluation.metrics.minimal_pairs "
    "evaluation.judge.provider evaluation.originality.memorization evaluation.originality.diversity evaluation.metrics.writing.grammar "
    "evaluation.metrics.writing.coherence evaluation.metrics.writing.readability evaluation.metrics.following evaluation.metrics.cost",
}
"""The kinds of components, and the modules of `silly_llm` that register ours."""
ONE_OFF = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class Component(NamedTuple):
    """A registered class and where it comes from: `silly-llm`, the distribution of a plugin, or the module of a one-off."""

    kind: str
    name: str
    cls: type
    source: str

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.cls) or "").strip().partition("\n")[0]


class Parsed(NamedTuple):
    """A component as a recipe names it, checked; `cls` is `None` for code of the recipe's own that must not be imported."""

    name: str
    options: dict[str, Any]
    cls: Any = None
    config: Any = None
    """Its options as their dataclass, which may be the component itself; `None` where it takes none."""


_components: dict[tuple[str, str], Component] = {}
_plugin: ContextVar[str | None] = ContextVar("plugin", default=None)
"""The distribution whose entry point is being loaded."""
_only_registered: ContextVar[bool] = ContextVar("only_registered", default=False)


@contextmanager
def only_registered() -> Iterator[None]:
    """Within it no code is imported that only a recipe names: for checking and previewing recipes from elsewhere."""
    before = _only_registered.set(True)
    try:
        yield
    finally:
        _only_registered.reset(before)


def register(kind: str, name: str) -> Callable[[T], T]:
    """Class decorator: make a component known by `name` among those of its `kind`; a ValueError where the name is taken."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of component {kind!r}{suggestion(kind, KINDS)}")

    def decorate(cls: T) -> T:
        source = "silly-llm" if cls.__module__.startswith("silly_llm.") else _plugin.get() or cls.__module__
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


def parse_component(kind: str, spec: Mapping[str, Any] | str, *, where: str = "") -> Parsed:
    """A component with its options, checked; builds nothing but what is the dataclass of its own options. Within `only_registered` the
    code of a one-off is not imported.

    Args:
        spec: what the recipe says: a name, or a mapping with `type` and options.
        where: what messages begin with.

    Raises:
        RecipeError: unknown component, unknown option, wrong type.
    """
    name, options = split_type(kind, spec)
    if ":" in name and _only_registered.get():
        return Parsed(name, options)
    cls = resolve(kind, name)
    label = f"{where} {_label(kind)} {name!r}".lstrip()
    config_class = config_class_of(cls)
    if config_class is not None:
        return Parsed(name, options, cls, check(options, config_class, where=label))
    if options:
        raise RecipeError(f"{label}: takes no options, got {', '.join(map(repr, options))}")
    return Parsed(name, options, cls)


def split_type(kind: str, spec: Mapping[str, Any] | str) -> tuple[str, dict[str, Any]]:
    """The `type` and the options of a component as a recipe writes it, unchecked."""
    mapping = {"type": spec} if isinstance(spec, str) else spec
    if not isinstance(mapping, Mapping) or not isinstance(mapping.get("type"), str):
        raise RecipeError(f"{_label(kind)}: expected a name or a mapping with 'type', got {mapping!r}")
    options = dict(mapping)
    name = options.pop("type")
    if ":" in name and not ONE_OFF.fullmatch(name):
        raise RecipeError(f"component {name!r}: expected a known name, or module:Class")
    return name, options


def resolve(kind: str, name: str) -> type:
    """The class of a component; a RecipeError where there is none, or `module:Class` cannot be imported."""
    if ":" in name:
        return _import_class(name)
    _load(kind)
    if component := _components.get((kind, name)):
        return component.cls
    known = names(kind)
    near = suggestion(name, known)
    raise RecipeError(f"unknown {_label(kind)} {name!r}{near}; known: {', '.join(known) or 'none'}")


def config_class_of(cls: type) -> type | None:
    """The dataclass of a component's options: that of `config`, or the component itself where it is one with keywords only; `None`: it takes none."""
    parameters = constructor_parameters(cls)
    if "config" in parameters:
        return parameters["config"].annotation
    by_keyword = parameters and all(p.kind is p.KEYWORD_ONLY for p in parameters.values())
    return cls if by_keyword and dataclasses.is_dataclass(cls) else None


def constructor_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """What a component's constructor asks for, by name, with evaluated annotations."""
    parameters = inspect.signature(cls, eval_str=True).parameters
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: p for name, p in parameters.items() if p.kind not in variable}


def _label(kind: str) -> str:
    return kind.replace("_", " ")


def _load(kind: str) -> None:
    for module in KINDS[kind].split():
        importlib.import_module(f"silly_llm.{module}")
    _load_plugins()


@functools.cache
def _load_plugins() -> None:
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        source = entry.dist.name if entry.dist else entry.module
        before = _plugin.set(source)
        try:
            entry.load()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise RecipeError(f"plugin {entry.name!r} of {source} does not load: {reason}") from error
        finally:
            _plugin.reset(before)


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
        print(f"silly-llm: this run uses the recipe's own code: {module} ({file})", file=sys.stderr, flush=True)
    return cls
