"""LLM providers that talk to a server: `openai` (any compatible server), `tgi`, `hf-inference`.

`openai` and `tgi` speak HTTP by aiohttp, which takes a fifth of the processor time of the Hub client and has no limit of
100 connections (FACTS); `hf-inference` is `huggingface_hub.AsyncInferenceClient`, which knows the providers and who pays.
The saved Hugging Face token goes to Hugging Face's own hosts only; any other server gets the recipe's `api_key` or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from silly_llm.errors import RecipeError, RunError
from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.endpoints import Endpoint
from silly_llm.providers.http_errors import RequestError, one_line, refusal
from silly_llm.providers.server import ServerConfig, ServerProvider
from silly_llm.providers.structured import InvalidAnswer, response_format
from silly_llm.registry import register

if TYPE_CHECKING:
    import aiohttp
    from huggingface_hub import AsyncInferenceClient

HUGGING_FACE_HOSTS = ("huggingface.co", "hf.co", "huggingface.cloud", "hf.space")
"""Hosts (and their sub-domains) that may see the saved token."""
HEALTH_TIMEOUT = 10.0
"""Seconds for a health check or /info."""


class HTTPProvider(ServerProvider):
    """JSON over HTTP by aiohttp."""

    health_path = ""
    """Where a healthy server answers 200, below the endpoint's address."""

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self._session: aiohttp.ClientSession | None = None
        self._sent_to: dict[str, dict[str, Any]] = {}
        """Headers and proxy by address of the API."""

    @staticmethod
    def root(url: str) -> str:
        """The address that paths of the API are below, from the recipe's address."""
        return url

    async def _connect(self) -> None:
        import aiohttp

        connections = aiohttp.TCPConnector(limit=0)  # the endpoints' limits decide
        timeout = aiohttp.ClientTimeout(total=self.config.timeout)
        self._session = aiohttp.ClientSession(connector=connections, timeout=timeout)
        self._sent_to = {
            self.root(url): {"headers": headers_for(url, self.config.api_key), "proxy": proxy_for(url)}
            for url in self.config.urls
        }

    async def _disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _is_healthy(self, endpoint: Endpoint) -> bool:
        try:
            await self._get(self.root(endpoint.url), self.health_path)
        except RequestError as error:
            return error.status in (401, 403, 404, 405)  # somebody is there
        return True

    async def _get(self, url: str, path: str) -> bytes:
        import aiohttp

        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=HEALTH_TIMEOUT)
        sending = self._session.get(url + path, timeout=timeout, **self._sent_to[url])
        return (await self._receive(sending))[0]

    async def _post(self, url: str, path: str, body: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        """POST JSON; the JSON that comes back, and the headers.

        Raises:
            RequestError: no connection, not 200, or not JSON.
        """
        assert self._session is not None
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        answer, headers = await self._receive(self._session.post(url + path, data=data, **self._sent_to[url]))
        try:
            return json.loads(answer), headers
        except ValueError:
            raise RequestError(
                f"the answer is not JSON: {one_line(answer[:80].decode('utf-8', 'replace'))}"
            ) from None

    async def _receive(self, sending: Any) -> tuple[bytes, Mapping[str, str]]:
        import aiohttp

        try:
            async with sending as response:
                answer: bytes = await response.read()
        except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
            raise RequestError(one_line(error), connected=False) from error
        except TimeoutError as error:
            raise RequestError(f"no answer in {self.config.timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:  # dropped, truncated, not HTTP
            raise RequestError(f"the connection broke ({one_line(error) or type(error).__name__})") from error
        if response.status != 200:
            raise refusal(response.status, answer, response.headers)
        return answer, response.headers

    def _body(self, ours: dict[str, Any]) -> dict[str, Any]:
        """Ours and the recipe's `extra_body`; what is `None` is left out."""
        return {key: value for key, value in (ours | self.config.extra_body).items() if value is not None}

    async def _chat(self, url: str, path: str, request: ChatRequest, form: str | None) -> Completion:
        """Ask the chat API."""
        answer, _ = await self._post(
            url,
            path,
            self._body(
                {
                    "model": self.config.model,
                    "messages": [dict(message) for message in request.messages],
                    "max_tokens": request.max_tokens,
                    "temperature": request.temperature,
                    "top_p": request.top_p if request.top_p < 1 else None,
                    "seed": request.seed,
                    "response_format": response_format(request.schema, form) if request.schema else None,
                }
            ),
        )
        return read_openai(answer, self.model)


@dataclass(frozen=True)
class OpenAIConfig(ServerConfig):
    """An OpenAI-compatible server."""

    api: Literal["chat", "completions"] = "chat"
    """`chat`: the server forms the prompt; `completions`: a prompt formed here goes to /completions (base models)."""
    chat_template: str | None = None
    """Jinja for `api: completions` (`messages`, `add_generation_prompt`); default: the texts, a blank line between."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.base_url or not self.model:
            raise RecipeError(
                "base_url and model are needed, such as http://127.0.0.1:8000/v1 and what the server serves"
            )


@register("llm_provider", "openai")
class OpenAIProvider(HTTPProvider):
    """Any OpenAI-compatible server (vLLM, SGLang, llama.cpp, Ollama, transformers serve …), by chat or completions."""

    health_path = "/models"

    def __init__(self, config: OpenAIConfig) -> None:
        super().__init__(config)
        self.openai = config
        if config.api == "completions":
            self.parameters = {**self.parameters, "api": config.api, "chat_template": config.chat_template}
            self._template = compile_chat_template(config.chat_template)

    async def _send(self, url: str, request: ChatRequest, form: str | None) -> Completion:
        if self.openai.api == "chat":
            return await self._chat(self.root(url), "/chat/completions", request, form)
        answer, _ = await self._post(
            self.root(url),
            "/completions",
            self._body(
                {
                    "model": self.config.model,
                    "prompt": self._template.render(messages=request.messages, add_generation_prompt=True),
                    "max_tokens": request.max_tokens,
                    "temperature": request.temperature,
                    "top_p": request.top_p if request.top_p < 1 else None,
                    "seed": request.seed,
                }
            ),
        )
        return read_openai(answer, self.model)

    @staticmethod
    def root(url: str) -> str:
        """With /v1, unless the recipe's address has a path of its own."""
        return url if urlsplit(url).path else url + "/v1"


@dataclass(frozen=True)
class TGIConfig(ServerConfig):
    """Hugging Face text-generation-inference."""

    base_url: str | list[str] | None = "http://127.0.0.1:8080"
    api: Literal["chat", "generate"] = "chat"
    """`chat`: the server forms the prompt; `generate`: TGI's own API with a prompt formed here (base models)."""
    chat_template: str | None = None
    """Jinja for `api: generate` (`messages`, `add_generation_prompt`); default: the messages' texts, a blank line between."""


@register("llm_provider", "tgi")
class TGIProvider(HTTPProvider):
    """Hugging Face text-generation-inference, by its chat API or its own /generate."""

    health_path = "/health"
    forms: Sequence[str] = ("tgi", "openai", "prompt")

    def __init__(self, config: TGIConfig) -> None:
        super().__init__(config)
        self.tgi = config
        if config.api == "generate":
            self.forms = ("tgi", "prompt")
            self.parameters = {**self.parameters, "api": "generate", "chat_template": config.chat_template}
            self._template = compile_chat_template(config.chat_template)

    async def prepare(self) -> None:
        """Ask the servers' /info for their model and how many requests they take at once."""
        await super().prepare()
        assert self._pool is not None
        for endpoint in self._pool.endpoints:
            try:
                info = json.loads(await self._get(self.root(endpoint.url), "/info"))
            except (RequestError, ValueError) as error:
                if not self.model:  # what was asked of which model would be unknown
                    raise RunError(f"{endpoint.url}: {error}") from None
                continue
            self.model = self.model or str(info.get("model_id") or "")
            most = info.get("max_concurrent_requests")
            if isinstance(most, int) and most > 0 and self.config.concurrency is None:
                endpoint.limit = endpoint.most = self._first = self._most = most

    async def _send(self, url: str, request: ChatRequest, form: str | None) -> Completion:
        root = self.root(url)
        if self.tgi.api == "chat":
            return await self._chat(root, "/v1/chat/completions", request, form)
        sampling = request.temperature > 0
        grammar = (
            {"type": "json", "value": dict(request.schema)} if request.schema and form == "tgi" else None
        )
        parameters = {
            "details": True,
            "do_sample": sampling,
            "max_new_tokens": request.max_tokens,
            "temperature": request.temperature if sampling else None,
            "top_p": request.top_p if request.top_p < 1 else None,
            "seed": request.seed,
            "grammar": grammar,
        }
        prompt = self._template.render(messages=request.messages, add_generation_prompt=True)
        body = {"inputs": prompt, "parameters": self._body(parameters)}
        answer, headers = await self._post(root, "/generate", body)
        try:
            details = answer.get("details") or {}
            return not_empty(
                Completion(
                    text=answer["generated_text"],
                    finish_reason=finish_reason(details.get("finish_reason")),
                    prompt_tokens=int(headers.get("x-prompt-tokens") or len(details.get("prefill") or ())),
                    completion_tokens=details.get("generated_tokens") or 0,
                    model=self.model,
                )
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise RequestError(f"not an answer of TGI ({one_line(answer)})") from error

    @staticmethod
    def root(url: str) -> str:
        """TGI's own API, whichever of its addresses the recipe gives."""
        return url.removesuffix("/generate").removesuffix("/v1")


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

    forms: Sequence[str] = ("openai", "prompt")

    def __init__(self, config: HFInferenceConfig) -> None:
        super().__init__(config)
        self.hf = config
        self._clients: dict[str, AsyncInferenceClient] = {}

    async def _connect(self) -> None:
        import httpx2
        from huggingface_hub import AsyncInferenceClient, set_async_client_factory

        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        set_async_client_factory(
            lambda: httpx2.AsyncClient(follow_redirects=True, timeout=None, limits=limits)
        )
        key, timeout, bill_to = self.config.api_key, self.config.timeout, self.hf.bill_to
        self._clients = {}
        for url in self.config.urls:
            # Without this the client would send the saved token to any address.
            headers: dict[str, Any] = {} if key or is_hugging_face(url) else {"authorization": None}
            self._clients[url] = AsyncInferenceClient(
                base_url=url, token=key, timeout=timeout, bill_to=bill_to, headers=headers
            )
        if not self._clients:
            where: dict[str, Any] = {"model": self.config.model, "provider": self.hf.provider}
            self._clients[""] = AsyncInferenceClient(token=key, timeout=timeout, bill_to=bill_to, **where)

    async def _disconnect(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def _is_healthy(self, endpoint: Endpoint) -> bool:
        return True  # Hugging Face has no health check that one may rely on: the next request shows

    async def _send(self, url: str, request: ChatRequest, form: str | None) -> Completion:
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError

        schema = response_format(request.schema, form) if request.schema else None
        try:
            answer = await self._clients[url].chat_completion(
                messages=[dict(message) for message in request.messages],
                model=self.config.model,
                max_tokens=request.max_tokens,
                temperature=request.temperature,
                top_p=request.top_p if request.top_p < 1 else None,
                seed=request.seed,
                response_format=schema,  # type: ignore[arg-type]
                extra_body=self.config.extra_body or None,
            )
            return read_openai(answer, self.model)
        except HfHubHTTPError as error:
            if error.response is None:
                raise RequestError(one_line(error)) from error
            raise refusal(error.response.status_code, error.response.text, error.response.headers) from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise RequestError(one_line(error), connected=False) from error
        except (InferenceTimeoutError, httpx2.TimeoutException):
            raise RequestError(f"no answer in {self.config.timeout:g} s") from TimeoutError()
        except httpx2.TransportError as error:
            raise RequestError(f"the connection broke ({one_line(error)})") from error
        except (json.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise RequestError(f"not an answer of a chat API ({one_line(error)})") from error
        except ValueError as error:  # the client refuses to send: no token, unknown provider
            raise RequestError(one_line(error), fatal=True) from error


def read_openai(answer: Any, model: str) -> Completion:
    """The completion in an answer of a chat or completions API (a mapping, or the Hub client's).

    Raises:
        RequestError: it is not one.
        InvalidAnswer: it is empty.
    """
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        usage = answer.get("usage") or {}
        completion = Completion(
            text=text or "",
            finish_reason=finish_reason(choice.get("finish_reason")),
            prompt_tokens=usage.get("prompt_tokens") or 0,
            completion_tokens=usage.get("completion_tokens") or 0,
            model=answer.get("model") or model,
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise RequestError(f"not an answer of a chat API ({one_line(answer)})") from error
    return not_empty(completion)


def not_empty(completion: Completion) -> Completion:
    """The completion, if it says something; one that was cut off before its first word counts.

    Raises:
        InvalidAnswer: it is empty: a hiccup of the server, or a seed that ends at once.
    """
    if not completion.text.strip() and completion.finish_reason not in ("length", "content_filter"):
        raise InvalidAnswer("the answer is empty")
    return completion


def headers_for(url: str, api_key: str | None) -> dict[str, str]:
    """The headers of every request to an address: the recipe's key; the saved token for Hugging Face's own hosts only."""
    from huggingface_hub import get_token

    token = api_key or (get_token() if is_hugging_face(url) else None)
    headers = {"Content-Type": "application/json", "User-Agent": "silly-llm"}
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; looked up once, for aiohttp would do so at every request."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


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


def compile_chat_template(text: str | None) -> Any:
    """A prompt from messages, for base models: sandboxed Jinja."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    plain = "{{ messages | map(attribute='content') | join('\\n\\n') }}\n\n"
    try:
        return ImmutableSandboxedEnvironment(keep_trailing_newline=True).from_string(text or plain)
    except TemplateError as error:
        raise RecipeError(f"chat_template: {error}") from None
