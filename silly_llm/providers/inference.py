"""LLM providers that talk to a server: `openai` (any compatible server), `tgi`, `hf-inference`.

All three are `huggingface_hub.AsyncInferenceClient` with what it lacks: bounded concurrency without its limit of 100
connections, a timeout, retries that honour Retry-After, and errors as one line. The saved Hugging Face token is sent to
Hugging Face's own hosts only; any other server gets the `api_key` of the recipe or nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from silly_llm.errors import RecipeError
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed
from silly_llm.providers.http_errors import (
    FATAL,
    LONGEST_WAIT,
    is_transient,
    message_of,
    retry_after,
    status_of,
)
from silly_llm.registry import register

if TYPE_CHECKING:
    from huggingface_hub import AsyncInferenceClient

HUGGING_FACE_HOSTS = ("huggingface.co", "hf.co", "huggingface.cloud", "hf.space")
"""Hosts (and their sub-domains) that may see the saved token."""
FIRST_CONTACT_ATTEMPTS = 3
"""Attempts to connect to a server that never answered."""


@dataclass(frozen=True)
class ServerConfig:
    """Options that every server shares."""

    model: str | None = None
    """What the server calls the model."""
    base_url: str | None = None
    """Where it is, such as http://127.0.0.1:8000/v1."""
    api_key: str | None = field(default=None, repr=False)
    """Its token; write `${oc.env:NAME}`, never the token itself."""
    concurrency: int = 32
    """Requests in flight."""
    timeout: float = 300.0
    """Seconds for one answer."""
    attempts: int = 8
    """How often one request is tried."""
    first_wait: float = 0.5
    """Seconds before the second attempt; then doubled each time, with jitter, up to a minute."""
    extra_body: dict[str, Any] = field(default_factory=dict)
    """More generation parameters, sent as they are (`top_k`, `repetition_penalty` …)."""

    def __post_init__(self) -> None:
        if self.base_url is not None and urlsplit(self.base_url).scheme not in ("http", "https"):
            raise RecipeError(f"base_url: expected http://… or https://…, got {self.base_url!r}")
        if self.concurrency < 1 or self.attempts < 1 or self.timeout <= 0 or self.first_wait < 0:
            raise RecipeError(
                "concurrency and attempts must be at least 1, timeout above 0, first_wait not below 0"
            )


class ServerProvider(LLMProvider):
    """A model behind HTTP. Subclasses say how one request is sent."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.model = config.model or ""
        self.concurrency = config.concurrency
        self.batch_size = config.concurrency
        self.parameters = dict(config.extra_body)
        self._client: AsyncInferenceClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._permits = asyncio.Semaphore(config.concurrency)
        self._answered = False

    async def complete(self, requests: Sequence[ChatRequest]) -> list[Completion | RequestFailed]:
        if self._loop is not asyncio.get_running_loop():
            self._loop, self._client = asyncio.get_running_loop(), self._make_client()
            self._permits = asyncio.Semaphore(self.config.concurrency)
        return list(await asyncio.gather(*(self._complete(request) for request in requests)))

    async def aclose(self) -> None:
        if self._client is not None and self._loop is asyncio.get_running_loop():
            await self._client.close()
        self._client = self._loop = None

    async def _send(self, client: AsyncInferenceClient, request: ChatRequest) -> Completion:
        """Ask the chat API (`/v1/chat/completions`)."""
        answer = await client.chat_completion(
            messages=[dict(message) for message in request.messages],
            model=self.config.model,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p if request.top_p < 1 else None,
            seed=request.seed,
            extra_body=self.config.extra_body or None,
        )
        choice = answer.choices[0]
        usage = getattr(answer, "usage", None)
        return Completion(
            text=choice.message.content or "",
            finish_reason=finish_reason(choice.finish_reason),
            prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            completion_tokens=getattr(usage, "completion_tokens", 0) or 0,
            model=answer.model or self.model,
        )

    def _make_client(self) -> AsyncInferenceClient:
        return make_client(self.config, {"base_url": self.config.base_url})

    async def _complete(self, request: ChatRequest) -> Completion | RequestFailed:
        import httpx2
        import stamina

        tried = 0

        def again(error: Exception) -> bool | float:
            first_contact = isinstance(error, httpx2.ConnectError) and not self._answered
            if first_contact and tried >= FIRST_CONTACT_ATTEMPTS:
                return False
            return retry_after(error) or is_transient(error)

        attempts = stamina.retry_context(
            on=again,
            attempts=self.config.attempts,
            timeout=None,
            wait_initial=self.config.first_wait,
            wait_max=LONGEST_WAIT,
            wait_jitter=self.config.first_wait,
        )
        try:
            async for attempt in attempts:
                tried += 1
                with attempt:
                    async with self._permits:
                        assert self._client is not None
                        completion = await self._send(self._client, request)
            self._answered = True
            return completion
        except Exception as error:  # a failure is a value here: the caller decides what becomes of the run
            return self._failure(error)

    def _failure(self, error: Exception) -> RequestFailed:
        import httpx2

        where = self.config.base_url or "Hugging Face"
        status = status_of(error)
        said = self._without_secrets(message_of(error))
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return RequestFailed(f"{where}: no server answers ({said})", fatal=not self._answered)
        if status in FATAL:
            return RequestFailed(f"{where}: {FATAL[status]} (HTTP {status}: {said})", fatal=True)
        if status is not None:
            return RequestFailed(f"{where}: HTTP {status}: {said}")
        if isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError):
            return RequestFailed(
                f"{where}: {said}", fatal=True
            )  # the client refuses to send: no token, unknown provider
        return RequestFailed(f"{where}: {type(error).__name__}: {said}")

    def _without_secrets(self, text: str) -> str:
        return text.replace(self.config.api_key, "********") if self.config.api_key else text


@dataclass(frozen=True)
class OpenAIConfig(ServerConfig):
    """An OpenAI-compatible server."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.base_url or not self.model:
            raise RecipeError(
                "base_url and model are needed, such as http://127.0.0.1:8000/v1 and what the server serves"
            )


@register("llm_provider", "openai")
class OpenAIProvider(ServerProvider):
    """Any OpenAI-compatible server (vLLM, SGLang, llama.cpp, Ollama, transformers serve …), by its chat API."""

    def __init__(self, config: OpenAIConfig) -> None:
        super().__init__(config)


@dataclass(frozen=True)
class TGIConfig(ServerConfig):
    """Hugging Face text-generation-inference."""

    base_url: str | None = "http://127.0.0.1:8080"
    api: Literal["chat", "generate"] = "chat"
    """`chat`: the server forms the prompt; `generate`: TGI's own API with a prompt formed here (base models)."""
    chat_template: str | None = None
    """Jinja for `api: generate` (`messages`, `add_generation_prompt`); default: the messages' texts, a blank line between."""


@register("llm_provider", "tgi")
class TGIProvider(ServerProvider):
    """Hugging Face text-generation-inference, by its chat API or its own /generate."""

    def __init__(self, config: TGIConfig) -> None:
        super().__init__(config)
        self.tgi = config
        self.model = config.model or "tgi"
        if config.api == "generate":
            own = {"api": "generate", "chat_template": config.chat_template}
            self.parameters = {**self.parameters, **own}
            self._template = _compile_chat_template(config.chat_template)

    def _make_client(self) -> AsyncInferenceClient:
        url = (self.config.base_url or "").rstrip("/")
        if self.tgi.api == "generate":
            url = url.removesuffix("/v1").removesuffix("/generate") + "/generate"
        return make_client(self.config, {"base_url": url})

    async def _send(self, client: AsyncInferenceClient, request: ChatRequest) -> Completion:
        if self.tgi.api == "chat":
            return await super()._send(client, request)
        sampling = request.temperature > 0
        answer = await client.text_generation(
            self._template.render(messages=request.messages, add_generation_prompt=True),
            details=True,
            do_sample=sampling,
            max_new_tokens=request.max_tokens,
            temperature=request.temperature if sampling else None,
            top_p=request.top_p if request.top_p < 1 else None,
            seed=request.seed,
            **self.config.extra_body,
        )
        details = answer.details
        return Completion(
            text=answer.generated_text,
            finish_reason=finish_reason(details.finish_reason if details else None),
            prompt_tokens=len(details.prefill or []) if details else 0,
            completion_tokens=details.generated_tokens if details else 0,
            model=self.model,
        )


@dataclass(frozen=True)
class HFInferenceConfig(ServerConfig):
    """Hugging Face Inference Providers, or an Inference Endpoint by its `base_url`."""

    provider: str | None = None
    """Which inference provider (`together`, `cerebras` …); default: the router chooses."""
    bill_to: str | None = None
    """The organisation that pays."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model and not self.base_url:
            raise RecipeError("model is needed: a Hub id, such as meta-llama/Llama-3.1-8B-Instruct")


@register("llm_provider", "hf-inference")
class HFInferenceProvider(ServerProvider):
    """Hugging Face Inference Providers and Inference Endpoints, with the saved login or HF_TOKEN."""

    def __init__(self, config: HFInferenceConfig) -> None:
        super().__init__(config)
        self.hf = config

    def _make_client(self) -> AsyncInferenceClient:
        if self.config.base_url:
            return make_client(self.config, {"base_url": self.config.base_url, "bill_to": self.hf.bill_to})
        where = {"model": self.config.model, "provider": self.hf.provider, "bill_to": self.hf.bill_to}
        return make_client(self.config, where)


def make_client(config: ServerConfig, where: dict[str, Any]) -> AsyncInferenceClient:
    """An `AsyncInferenceClient` with as many connections as `concurrency` wants, and no token for strangers."""
    import httpx2
    import stamina
    from huggingface_hub import AsyncInferenceClient, set_async_client_factory

    stamina.instrumentation.set_on_retry_hooks([])  # retries are counted, not logged line by line
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    set_async_client_factory(lambda: httpx2.AsyncClient(follow_redirects=True, timeout=None, limits=limits))
    headers: dict[str, Any] = {}
    if config.base_url and not config.api_key and not is_hugging_face(config.base_url):
        headers["authorization"] = None  # else the client would send the saved Hugging Face token
    return AsyncInferenceClient(token=config.api_key, timeout=config.timeout, headers=headers, **where)


def is_hugging_face(url: str) -> bool:
    """Whether the saved token may go there: Hugging Face's hosts, by https."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" and any(host == h or host.endswith("." + h) for h in HUGGING_FACE_HOSTS)


def finish_reason(reason: str | None) -> str:
    """One vocabulary for all servers: TGI says `eos_token` and `stop_sequence` where OpenAI says `stop`."""
    return {"eos_token": "stop", "stop_sequence": "stop", None: "unknown", "": "unknown"}.get(
        reason, reason or ""
    )


def _compile_chat_template(text: str | None) -> Any:
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    plain = "{{ messages | map(attribute='content') | join('\\n\\n') }}\n\n"
    try:
        return ImmutableSandboxedEnvironment(keep_trailing_newline=True).from_string(text or plain)
    except TemplateError as error:
        raise RecipeError(f"chat_template: {error}") from None
