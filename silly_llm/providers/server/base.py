"""What every provider behind HTTP shares: endpoints with adaptive limits, retries with a budget and a deadline, schemas.

A subclass says how one request is sent and read (`_send`); this decides where it goes, whether it is tried again and when.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.masking import mask, remember
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, Prices, RequestFailed
from silly_llm.providers.server.connections import public
from silly_llm.providers.server.endpoints import Endpoint, EndpointPool
from silly_llm.providers.server.errors import RequestError, one_line
from silly_llm.providers.server.request_fields import Learned
from silly_llm.providers.server.structured import FORMS, InvalidAnswer, validated, with_instruction

CONCURRENCY = 32
"""Requests in flight to one endpoint where neither the recipe nor the server names a number."""
GROWTH = 4
"""How many times its first value an adaptive limit may reach where the recipe sets no `max_concurrency`."""
FIRST_CONTACT_ATTEMPTS = 3
"""Attempts to connect to a server that never answered."""
INVALID_BEFORE_NEW_SEED = 3
"""Empty or invalid answers to a request before its seed is changed: a hiccup should change nothing in the result."""
LONGEST_BACKOFF = 60.0
"""Seconds between two attempts where the server does not say; what it says by Retry-After is honoured up to the deadline."""


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
    """How often one request is tried; being told to come later (429) does not count."""
    deadline: float = 1800.0
    """Seconds after which one request is not tried again."""
    first_wait: float = 0.5
    """Seconds before the second attempt; then doubled each time, with jitter, up to a minute. Retry-After goes before it."""
    startup_timeout: float = 0.0
    """Seconds to wait for a server that is still starting."""
    structured: str = "auto"
    """How a JSON schema is sent: openai, tgi, llama.cpp, prompt (only asked for in words), auto (the first that works)."""
    price_per_million: dict[str, float] = field(default_factory=dict)
    """What a million tokens cost: `{prompt: 0.1, completion: 0.4}`, in any currency."""
    thinking: bool | None = None
    """`false`: tell a model that thinks not to, in the form that its server knows; `true`: to think; default: say nothing."""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """More headers of each request, such as Azure's `api-key`."""
    query: dict[str, str] = field(default_factory=dict, repr=False)
    """Parameters of each request's address, such as Azure's `api-version`."""
    extra_body: dict[str, Any] = field(default_factory=dict, repr=False)
    """More generation parameters, sent as they are (`top_k`, `repetition_penalty` …); `null` leaves one of ours out."""

    def __post_init__(self) -> None:
        remember(self.base_url)
        if self.api_key is not None:
            object.__setattr__(self, "api_key", header_value("api_key", self.api_key))
        for name, value in self.headers.items():
            header_value(f"headers: {name}", value)
        for url in self.urls:
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise RecipeError(f"base_url: expected http://… or https://…, got {url.rpartition('@')[2]!r}")
            try:
                port = urlsplit(url).port  # noqa: F841 - reading it checks it
            except ValueError:
                raise RecipeError(
                    "base_url: the port is not a number (in user:password@ write `/`, `@`, `:` and `#` as %2F, %40, %3A and %23)"
                ) from None
            if self.api_key and "@" in urlsplit(url).netloc:
                raise RecipeError("base_url has a user and api_key is set: only one can be sent, leave out one")
        numbers = [n for n in (self.concurrency, self.max_concurrency, self.attempts) if n is not None]
        if min(numbers) < 1:
            raise RecipeError("concurrency, max_concurrency and attempts must be at least 1")
        if self.max_concurrency is not None and self.max_concurrency < (self.concurrency or 1):
            raise RecipeError("max_concurrency must not be below concurrency")
        if self.timeout <= 0 or self.deadline <= 0 or self.first_wait < 0 or self.startup_timeout < 0:
            raise RecipeError("timeout and deadline must be above 0, first_wait and startup_timeout not below")
        if self.structured not in ("auto", *FORMS):
            raise RecipeError(f"structured: expected one of auto, {', '.join(FORMS)}, got {self.structured!r}")
        Prices.of(self.price_per_million)

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


class ServerProvider(LLMProvider):
    """A model behind HTTP. Subclasses say how one request is sent."""

    forms: Sequence[str] = FORMS
    """In which forms a JSON schema is tried, the likeliest first."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.model = config.model or ""
        self.prices = Prices.of(config.price_per_million)
        self.structured = True
        thinking = {} if config.thinking is None else {"thinking": config.thinking}
        self.parameters = mask(config.extra_body) | thinking
        self._first = config.concurrency or CONCURRENCY
        self._most = config.max_concurrency or GROWTH * self._first
        self._form = None if config.structured == "auto" else config.structured
        """The form of a schema that this server honours, once it is known."""
        self._learned: dict[str, Learned] = {}
        """What the server at each address refuses."""
        self._pool: EndpointPool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def concurrency(self) -> int:  # type: ignore[override]
        """How many requests may ever be in flight."""
        return self._most * max(1, len(self.config.urls))

    @property
    def in_flight(self) -> tuple[int, int]:
        """Requests in flight, and how many may be at this time."""
        return (self._pool.in_flight, self._pool.limit) if self._pool else (0, self._first)

    async def prepare(self) -> None:
        await self._open()
        if self.config.startup_timeout:
            await self._wait_until_up()

    async def complete(self, requests: Sequence[ChatRequest]) -> list[Completion | RequestFailed]:
        await self._open()
        if len(requests) == 1:
            return [await self._complete(requests[0])]
        return list(await asyncio.gather(*(self._complete(request) for request in requests)))

    async def aclose(self) -> None:
        if self._pool is not None and self._loop is asyncio.get_running_loop():
            self._pool.close()
            await self._disconnect()
        self._pool = self._loop = None

    # ------------------------------------------------------------ what a subclass gives

    @abstractmethod
    async def _connect(self) -> None:
        """Make the HTTP client, in the running event loop."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Close it."""

    @abstractmethod
    async def _send(self, url: str, request: ChatRequest, form: str | None) -> Completion:
        """Send one request, its schema in `form`, and read the answer.

        Raises:
            RequestError: there is no answer.
        """

    @abstractmethod
    async def _is_healthy(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint answers at all."""

    # ------------------------------------------------------------ the way of a request

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop = loop
        await self._connect()
        endpoints = [Endpoint(url, float(self._first), self._most) for url in self.config.urls or [""]]
        self._pool = EndpointPool(endpoints, self._is_healthy, patience=self.config.deadline)

    async def _complete(self, request: ChatRequest) -> Completion | RequestFailed:
        assert self._pool is not None
        began, tried, rate_limited = 0.0, 0, 0
        left: Completion | None = None
        form_index = invalid = 0
        first_seed = request.seed
        while True:
            try:
                endpoint = await self._pool.acquire()
            except RequestError as error:
                return self._failure(self.config.urls[0] if self.config.urls else "", error)
            sent = time.monotonic()
            began = began or sent
            form = self._form or self.forms[form_index % len(self.forms)] if request.schema is not None else None
            try:
                asked = with_instruction(request) if form == "prompt" else request
                completion = await self._send(endpoint.url, asked, form)
                endpoint.succeeded()
                if request.schema is not None:
                    completion = validated(completion, request.schema)
                    self._form = form
                if request.seed != first_seed:
                    completion = replace(completion, extra={**completion.extra, "seed": request.seed})
                return completion
            except InvalidAnswer as error:  # another form, at last another seed
                problem = RequestError(str(error), retry_after=self.config.first_wait * random.uniform(0.5, 1.5))
                left = error.completion if request.schema is None else None
                form_index += 1
                invalid += 1
                if invalid % INVALID_BEFORE_NEW_SEED == 0:
                    request = replace(request, seed=request.seed + 1)
            except RequestError as error:
                problem, left = error, None
                if self._form is None and form not in (None, "prompt") and error.status in (400, 422, 500):
                    # TGI (422) and llama-cpp-python (500) refuse OpenAI's form: another may do; the words alone tell why.
                    form_index += 1
                    error.transient = True
                if error.overloaded:
                    endpoint.overloaded(sent)
                if error.status is None or error.status >= 500:
                    self._pool.failed(endpoint, str(error))
            except Exception as error:  # no single answer may end a run, whatever it is
                problem, left = (RequestError(f"could not be read ({type(error).__name__}: {one_line(error)})"), None)
            finally:
                self._pool.release(endpoint)
            if problem.status == 429:
                rate_limited += 1
            else:
                tried += 1
            never_connected = (problem.never_connected or not problem.connected) and not any(
                e.answered for e in self._pool.endpoints
            )
            if never_connected and tried >= FIRST_CONTACT_ATTEMPTS:
                problem.fatal = True
            wait = problem.retry_after
            if wait is None:
                doubled = self.config.first_wait * 2.0 ** min(tried + rate_limited - 1, 16)
                wait = min(doubled, LONGEST_BACKOFF) * random.uniform(0.5, 1.5)
            late = time.monotonic() + wait - began > self.config.deadline
            if problem.fatal or not problem.transient or tried >= self.config.attempts or late:
                return self._failure(endpoint.url, problem) if left is None else left
            await asyncio.sleep(wait)

    def learned(self, url: str) -> Learned:
        """What the server at an address refuses."""
        if url not in self._learned:
            self._learned[url] = Learned(public(url) or "Hugging Face")
        return self._learned[url]

    def _failure(self, url: str, error: RequestError) -> RequestFailed:
        reason = mask(f"{url or 'Hugging Face'}: {error}", loosely=True)
        return RequestFailed(reason, fatal=error.fatal)

    async def _wait_until_up(self) -> None:
        assert self._pool is not None
        until = time.monotonic() + self.config.startup_timeout
        while not any([await self._is_healthy(endpoint) for endpoint in self._pool.endpoints]):
            if time.monotonic() > until:
                where = ", ".join(self.config.urls)
                raise RunError(f"{where}: no server after {self.config.startup_timeout:g} s (startup_timeout)")
            await asyncio.sleep(1.0)
