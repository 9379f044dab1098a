"""What every provider behind HTTP shares: endpoints with adaptive limits, retries with a budget and a deadline, schemas.

`_send` sends and reads one request; the rest decides where it goes, whether it is tried again and when.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from silly_llm.core.errors import RunError
from silly_llm.core.masking import mask
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed
from silly_llm.providers.server.answers import read_chat
from silly_llm.providers.server.config import ServerConfig
from silly_llm.providers.server.endpoints import Endpoint, EndpointPool
from silly_llm.providers.server.errors import RequestError, one_line
from silly_llm.providers.server.http import HTTPClient, public
from silly_llm.providers.server.request_fields import Learned, chat_fields, thinking_fields
from silly_llm.providers.server.structured import RESPONSE_FORMATS, InvalidAnswer, validated, with_instruction

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


class ServerProvider(LLMProvider):
    """A model behind HTTP."""

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
        if len(requests) == 1:
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

        Raises:
            RequestError: there is no answer.
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

        ours = {"model": self.served_model, **fields, **chat_fields(request)}
        return await self._learned[url].ask(ours, self.config.extra_body, send)

    async def _is_healthy(self, endpoint: Endpoint) -> bool:
        try:
            await self._http.get(endpoint.url, self.health_path)
        except RequestError as error:
            return error.status in (401, 403, 404, 405)  # something answers
        return True

    def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._http = HTTPClient(self.config, self.root)
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
            wait = problem.retry_after
            if wait is None:
                doublings = 0 if isinstance(problem, InvalidAnswer) else min(tried + rate_limited - 1, 16)
                wait = min(self.config.first_wait * 2.0**doublings, LONGEST_BACKOFF) * random.uniform(0.5, 1.5)
            late = time.monotonic() + wait - began > self.config.deadline
            if problem.fatal or not problem.transient or tried >= self.config.attempts or late:
                empty = problem.completion if isinstance(problem, InvalidAnswer) and request.schema is None else None
                return empty or self._failure(endpoint.url, problem)
            await asyncio.sleep(wait)

    def _failure(self, url: str, error: RequestError) -> RequestFailed:
        return RequestFailed(mask(f"{url}: {error}", loosely=True), fatal=error.fatal)
