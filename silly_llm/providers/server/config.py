"""The options that every server shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from silly_llm.core.errors import RecipeError
from silly_llm.core.masking import remember
from silly_llm.providers.base import Prices


@dataclass(frozen=True)
class ServerConfig:
    """Options that every server shares."""

    model: str | None = None
    """What the server calls the model."""
    base_url: str | list[str] | None = field(default=None, repr=False)
    """Where it is, such as http://127.0.0.1:8000/v1; several addresses share the work. User info and keys in it are sent, not shown."""
    api_key: str | None = field(default=None, repr=False, metadata={"secret": True})
    """Its token; write `${oc.env:NAME}`, never the token itself."""
    concurrency: int | None = None
    """Requests in flight to each endpoint at first; default: what the server says (TGI), else 32."""
    max_concurrency: int | None = None
    """Most requests in flight to each endpoint; default: 4 times `concurrency`, or what the server says (TGI)."""
    timeout: float = 300.0
    """Seconds for one answer."""
    attempts: int = 8
    """How often one request is tried; a 429 does not count."""
    deadline: float = 1800.0
    """Seconds after which one request is not tried again."""
    first_wait: float = 0.5
    """Seconds before the second attempt; then doubled each time, with jitter, up to a minute. Retry-After goes before it."""
    startup_timeout: float = 0.0
    """Seconds to wait for a server that is still starting."""
    structured: Literal["auto", "openai", "llama.cpp", "tgi", "prompt"] = "auto"
    """How a JSON schema is sent: openai, tgi, llama.cpp, prompt (only asked for in words), auto (the first that works)."""
    price_per_million: Prices | None = None
    """What a million tokens cost: `{prompt: 0.1, completion: 0.4}`, in any currency."""
    thinking: bool | None = None
    """`false`: tell a model that thinks not to, in the form that its server knows; `true`: to think; default: say nothing."""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """More headers of each request, such as Azure's `api-key`."""
    query: dict[str, str] = field(default_factory=dict, repr=False)
    """Parameters of each request's address, such as Azure's `api-version`."""
    extra_body: dict[str, Any] = field(default_factory=dict, repr=False)
    """More generation parameters, sent as they are (`top_k`, `repetition_penalty` …); `null` drops a standard one."""

    def __post_init__(self) -> None:
        remember(self.base_url)
        headers = {name: header_value(f"headers: {name}", value) for name, value in self.headers.items()}
        object.__setattr__(self, "headers", headers)
        if self.api_key is not None:
            object.__setattr__(self, "api_key", header_value("api_key", self.api_key))
        for url in self.urls:
            self._check(url)
        if min(n for n in (self.concurrency, self.max_concurrency, self.attempts) if n is not None) < 1:
            raise RecipeError("concurrency, max_concurrency and attempts must be at least 1")
        if self.max_concurrency is not None and self.max_concurrency < (self.concurrency or 1):
            raise RecipeError("max_concurrency must not be below concurrency")
        if min(self.timeout, self.deadline) <= 0 or min(self.first_wait, self.startup_timeout) < 0:
            raise RecipeError("timeout and deadline must be above 0, first_wait and startup_timeout not below")

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError(f"base_url: expected http://… or https://…, got {url.rpartition('@')[2]!r}")
        try:
            parts.port  # noqa: B018 - reading it checks it
        except ValueError:
            raise RecipeError(
                "base_url: the port is not a number (in user:password@ write `/`, `@`, `:` and `#` as %2F, %40, %3A and %23)"
            ) from None
        if self.api_key and "@" in parts.netloc:
            raise RecipeError("base_url has a user and api_key is set: only one can be sent, leave out one")

    @property
    def urls(self) -> list[str]:
        """The addresses, without a slash at the end."""
        given = [self.base_url] if isinstance(self.base_url, str) else self.base_url or []
        return [url.rstrip("/") for url in given]


def header_value(name: str, value: str) -> str:
    """The value of a header without spaces and line ends around it, such as the one at the end of a file with a key.

    Raises:
        RecipeError: no header can have it.
    """
    value = value.strip()
    if not value.isascii() or not value.isprintable():
        raise RecipeError(f"{name}: has a line break or a character that no header can have")
    return value
