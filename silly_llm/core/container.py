"""The composition root of a phase: builds what a recipe names, hands each piece to what needs it, closes it all.

A thin layer over `svcs.Container`, which keeps services by type and closes them in reverse order; ours adds building
a registered component from a recipe with its dependencies injected. A test swaps any piece in one line::

    main(argv, container=Container().override(LLMProvider, FakeProvider()))
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

import svcs

from silly_llm.core import registry

T = TypeVar("T")


class Container:
    """Services by type. A context manager: leaving it closes what it built, last first."""

    def __init__(self) -> None:
        self._registry = svcs.Registry()
        self._services = svcs.Container(self._registry)
        self._overridden: dict[type, Any] = {}
        self._closing = ExitStack()

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def provide(self, cls: type[T], service: T | Callable[[], T]) -> Container:
        """Offer a service for `cls`: an instance, or a factory called when it is first asked for."""
        if not isinstance(service, cls) and callable(service):
            factory = service
            self._registry.register_factory(cls, lambda: self._built(factory()))
        else:
            self._registry.register_value(cls, service)
        return self

    def override(self, cls: type[T], service: T) -> Container:
        """Use `service` for `cls` whatever recipe or phase says."""
        self._overridden[cls] = service
        return self

    def knows(self, cls: type) -> bool:
        return cls in self._overridden or cls in self._registry

    def get(self, cls: type[T]) -> T:
        """The service for `cls`.

        Raises:
            svcs.exceptions.ServiceNotFoundError: nobody provides it.
        """
        return self._overridden[cls] if cls in self._overridden else self._services.get(cls)

    def build(self, kind: str, mapping: Mapping[str, Any] | str, *, as_type: type[T] | None = None) -> T:
        """Make a component from a recipe; with `as_type` an override of that type is taken instead.

        Raises:
            RecipeError: the component or one of its options does not exist, or has the wrong type.
        """
        if as_type is not None and as_type in self._overridden:
            return self._overridden[as_type]
        return self._built(build(kind, mapping, self))

    def close(self) -> None:
        self._closing.close()
        self._services.close()

    def _built(self, component: Any) -> Any:
        for name in ("aclose", "close"):
            method = getattr(component, name, None)
            if callable(method):
                self._closing.callback(_close, method)
                break
        return component


def build(kind: str, mapping: Mapping[str, Any] | str, container: Container) -> Any:
    """Make the component that a recipe names: its config from the recipe, all else from the container."""
    config = registry.parse_component(kind, mapping)
    cls = registry.resolve(kind, registry.split_type(kind, mapping)[0])
    arguments: dict[str, Any] = {}
    for name, parameter, hint in registry.constructor_parameters(cls):
        if name == "config" and config is not None:
            arguments[name] = config
        elif isinstance(hint, type) and container.knows(hint):
            arguments[name] = container.get(hint)
        elif parameter.default is parameter.empty:
            raise TypeError(f"{cls.__qualname__}({name}: {hint}): nothing in the container provides it")
    return cls(**arguments)


def _close(method: Callable[[], Any]) -> None:
    result = method()
    if inspect.isawaitable(result):

        async def wait() -> None:
            await result

        asyncio.run(wait())
