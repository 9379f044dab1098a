"""What every provider behind HTTP shares: endpoints with adaptive limits, retries with a budget and a deadline, schemas.

`_send` sends and reads one request; the rest decides where it goes, whether it is tried again and when.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from silly_llm.core.console.masking import mask, remember
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, Prices, RequestFailed
from silly_llm.providers.server.answers import RESPONSE_FORMATS, InvalidAnswer, read_chat, validated, with_instruction
from silly_llm.providers.server.endpoints import Endpoint, EndpointPool
from silly_llm.providers.server.errors import RequestError, one_line
from silly_llm.providers.server.http import HTTPClient, public
from silly_llm.providers.server.request_fields import Learned, thinking_fields

CONCURRENCY = 32
"""Requests in flight to one endpoint where neither the recipe nor the server names a number."""
GROWTH = 4
"""How many times its first value an adaptive limit may reach where the recipe sets no `max_concurrency`."""
FIRST_CONTACT_ATTEMPTS = 3
"""Attempts to connect to a server that never answered."""
INVALID_BEFORE_NEW_SEED = 3
"""Empty or invalid answers to a request before its seed is changed: a hiccup should change nothing in the result."""
HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
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
        if wrong := [name for name in self.headers if not HEADER_NAME.fullmatch(name)]:
            raise RecipeError(f"headers: {wrong[0]!r} is not a valid header name")
        body = self.extra_body
        if "messages" in body or body.get("stream") or body.get("n") not in (None, 1):
            raise RecipeError(
                "extra_body: messages, stream: true and n above 1 cannot be set: a request has one prompt and one answer"
            )
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
                "base_url: the port is not a number up to 65535 (in user:password@ write `/`, `@`, `:` and `#` as %2F, %40, %3A and %23)"
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

    Raises `RecipeError` if no header can have it.
    """
    value = value.strip()
    if not value.isascii() or not value.isprintable():
        raise RecipeError(f"{name}: has a line break or a character that no header can have")
    return value


class ServerProvider(LLMProvider):
    """A model behind HTTP."""

    client: type[Any] = HTTPClient
    """How its servers are reached."""
    forms: Sequence[str] = tuple(RESPONSE_FORMATS)
    """In which forms a JSON schema is tried, the likeliest first."""
    health_path = ""
    """Where a healthy server answers 200, below the root of its API."""
    chat_path = "/chat/completions"
    structured = True

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.model = config.model or ""
        self.served_model = config.model
        """What requests call the model."""
        self.prices = config.price_per_million
        thinking = {} if config.thinking is None else {"thinking": config.thinking}
        self.parameters = mask(config.extra_body) | thinking
        self._first = config.concurrency or CONCURRENCY
        self._most = config.max_concurrency or GROWTH * self._first
        self._form: str | None = None if config.structured == "auto" else config.structured
        """The form of a schema that this server honours, once it is known."""
        self._learned = {url: Learned(public(url)) for url in config.urls}
        """What the server at each address refuses."""
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def concurrency(self) -> int:  # type: ignore[override]
        """How many requests may ever be in flight."""
        return self._most * len(self.config.urls)

    @property
    def in_flight(self) -> tuple[int, int]:  # type: ignore[override]
        """Requests in flight, and how many may be at this time."""
        return self._pool.in_flight if self._loop else (0, self._first)

    async def prepare(self) -> None:
        self._open()
        until = time.monotonic() + self.config.startup_timeout
        while self.config.startup_timeout and not any([await self._is_healthy(e) for e in self._pool.endpoints]):
            if time.monotonic() > until:
                where = ", ".join(self.config.urls)
                raise RunError(f"{where}: no server after {self.config.startup_timeout:g} s (startup_timeout)")
            await asyncio.sleep(1.0)

    async def complete(self, requests: Sequence[ChatRequest]) -> list[Completion | RequestFailed]:
        self._open()
        if len(requests) == 1:  # without a task of its own: a tenth of the processor time
            return [await self._complete(requests[0])]
        return list(await asyncio.gather(*(self._complete(request) for request in requests)))

    async def aclose(self) -> None:
        if self._loop is asyncio.get_running_loop():
            self._pool.close()
            await self._http.close()
        self._loop = None

    @staticmethod
    def root(url: str) -> str:
        """The address that paths of the API are below, from the recipe's address."""
        return url

    async def _send(self, url: str, request: ChatRequest, form: str | None) -> Completion:
        """Send one request, its schema in `form`, and read the answer; by the chat API unless a subclass does otherwise.

        Raises `RequestError` if there is no answer.
        """
        fields: dict[str, Any] = {"messages": [dict(message) for message in request.messages]}
        if request.schema and form:
            fields["response_format"] = RESPONSE_FORMATS[form](request.schema)
        return await self._ask(url, self.chat_path, request, fields | thinking_fields(url, self.config.thinking))

    async def _ask(self, url: str, path: str, request: ChatRequest, fields: Mapping[str, Any]) -> Completion:
        """Ask the chat or completions API with these fields and the sampling, as far as the server takes them."""

        async def send(body: dict[str, Any]) -> Completion:
            answer, _ = await self._http.post(url, path, body)
            return read_chat(answer, self.model, request.max_tokens)

        ours = {"model": self.served_model, **fields, "max_tokens": request.max_tokens, "seed": request.seed}
        ours |= {"temperature": request.temperature, "top_p": request.top_p if request.top_p < 1 else None}
        return await self._learned[url].ask(ours, self.config.extra_body, send)

    async def _is_healthy(self, endpoint: Endpoint) -> bool:
        try:
            await self._http.get(endpoint.url, self.health_path)
        except RequestError as error:
            return error.status is not None and error.status < 500  # something answers
        return True

    def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._http = self.client(self.config, self.root)
            endpoints = [Endpoint(url, float(self._first), self._most) for url in self.config.urls]
            self._pool = EndpointPool(endpoints, self._is_healthy, patience=self.config.deadline)
            self._loop = loop

    async def _complete(self, request: ChatRequest) -> Completion | RequestFailed:
        """Ask until there is an answer, a reason why there can be none, or no time left."""
        began = 0.0
        tried = rate_limited = invalid = refused_forms = 0
        first_seed = request.seed
        while True:
            try:
                endpoint = await self._pool.acquire()
            except RequestError as error:
                return self._failure(self.config.urls[0], error)
            sent = time.monotonic()
            began = began or sent
            form = self._form or self.forms[(invalid + refused_forms) % len(self.forms)] if request.schema else None
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
                problem: RequestError = error
                invalid += 1
                if invalid % INVALID_BEFORE_NEW_SEED == 0:
                    request = replace(request, seed=request.seed + 1)
            except RequestError as error:
                problem = error
                if self._form is None and form not in (None, "prompt") and error.status in (400, 422, 500):
                    # TGI (422) and llama-cpp-python (500) refuse OpenAI's form: another may do; the words alone tell why.
                    refused_forms += 1
                    error.transient = True
                if error.overloaded:
                    endpoint.overloaded(sent)
                if error.status is None or error.status >= 500:
                    self._pool.failed(endpoint, str(error))
            except Exception as error:  # no single answer may end a run, whatever it is
                problem = RequestError(f"could not be read ({type(error).__name__}: {one_line(error)})")
            finally:
                self._pool.release(endpoint)
            if problem.status == 429:
                rate_limited += 1
            else:
                tried += 1
            if not problem.connected and tried >= FIRST_CONTACT_ATTEMPTS and not self._pool.ever_answered:
                problem.fatal = True
            doublings = 0 if isinstance(problem, InvalidAnswer) else min(tried + rate_limited - 1, 16)
            backoff = min(self.config.first_wait * 2.0**doublings, LONGEST_BACKOFF) * random.uniform(0.5, 1.5)
            wait = problem.retry_after or backoff  # "0 seconds" says nothing
            if (late := time.monotonic() + wait - began > self.config.deadline) and problem.retry_after:
                problem.said += f"; it says to wait {wait:,.0f} s, past the deadline of {self.config.deadline:g} s"
            if problem.fatal or not problem.transient or tried >= self.config.attempts or late:
                empty = problem.completion if isinstance(problem, InvalidAnswer) and request.schema is None else None
                return empty or self._failure(endpoint.url, problem)
            await asyncio.sleep(wait)

    def _failure(self, url: str, error: RequestError) -> RequestFailed:
        reason = mask(f"{url}: {error}", loosely=True)
        return RequestFailed(reason, fatal=error.fatal, invalid=isinstance(error, InvalidAnswer))
