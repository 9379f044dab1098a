"""The composition root of a phase: builds what a recipe names, hands each piece to what needs it, closes it all.

A test swaps any piece in one line::

    main(argv, container=Container().override(LLMProvider, FakeProvider()))
"""

from __future__ import annotations

import asyncio
import inspect
from collections import ChainMap
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import Parsed, constructor_parameters, parse_component

T = TypeVar("T")


class Container(ExitStack):
    """Services by type. A context manager: leaving it closes what it built, last first."""

    def __init__(self) -> None:
        super().__init__()
        self._services: ChainMap[type, Any] = ChainMap({}, {Container: self})

    def provide(self, cls: type[T], service: T) -> Container:
        """Hand `service` to every component whose constructor asks for `cls`."""
        self._services.maps[1][cls] = service
        return self

    def override(self, cls: type[T], service: T) -> Container:
        """Use `service` for `cls` whatever recipe or phase says."""
        self._services.maps[0][cls] = service
        return self

    def build(self, kind: str, spec: Mapping[str, Any] | str | Parsed, *, as_type: type[T] | None = None) -> T:
        """Make a component: its config from the recipe, all else that its constructor asks for by annotated type.

        Args:
            spec: what the recipe says, or what `parse_component` made of it; its mistakes are RecipeErrors.
            as_type: an override of this type is taken instead.
        """
        if as_type is not None and as_type in self._services.maps[0]:
            return self._services[as_type]
        name, _, cls, config = spec if isinstance(spec, Parsed) else parse_component(kind, spec)
        if cls is None:
            reason = "is the recipe's own code, which a dry run does not import; leave out --dry_run if you trust it"
            raise RecipeError(f"{kind.replace('_', ' ')} {name!r} {reason}")
        component = config if isinstance(config, cls) else cls(**self._arguments(cls, config))
        if close := getattr(component, "aclose", None) or getattr(component, "close", None):
            self.callback(_close, close)
        return component

    def _arguments(self, cls: type, config: Any) -> dict[str, Any]:
        """What the constructor of a component asks for."""
        arguments: dict[str, Any] = {}
        for name, parameter in constructor_parameters(cls).items():
            if name == "config":
                arguments[name] = config
            elif parameter.annotation in self._services:
                arguments[name] = self._services[parameter.annotation]
            elif parameter.default is parameter.empty:
                missing = f"{name}: {parameter.annotation}"
                raise TypeError(f"{cls.__qualname__}({missing}): nothing in the container provides it")
        return arguments


def _close(close: Callable[[], Any]) -> None:
    if inspect.isawaitable(result := close()):

        async def wait() -> None:
            await result

        asyncio.run(wait())
