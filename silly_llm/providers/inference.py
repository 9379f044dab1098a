"""LLM providers that talk to a server: `openai` (any compatible server), `tgi`, `hf-inference`.

`openai` and `tgi` speak HTTP by aiohttp, which takes a fifth of the processor time of the Hub client and has no limit of
100 connections (FACTS); `hf-inference` is `huggingface_hub.AsyncInferenceClient`, which knows the providers and who pays.
The saved Hugging Face token goes to Hugging Face's own hosts only; any other server gets the recipe's `api_key` or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from silly_llm.errors import RecipeError, RunError
from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.chat_answers import read_chat, read_generate, read_json
from silly_llm.providers.connections import (
    CERTIFICATE_HINT,
    certificates,
    proxy_for,
    public,
    query_string,
    split_query,
)
from silly_llm.providers.endpoints import Endpoint
from silly_llm.providers.http_errors import Moved, RequestError, one_line, refusal
from silly_llm.providers.request_fields import chat_fields, thinking_fields
from silly_llm.providers.server import ServerConfig, ServerProvider
from silly_llm.providers.structured import response_format
from silly_llm.registry import register

if TYPE_CHECKING:
    import aiohttp
    from huggingface_hub import AsyncInferenceClient

HUGGING_FACE_HOSTS = ("huggingface.co", "hf.co", "huggingface.cloud", "hf.space")
"""Hosts (and their sub-domains) that may see the saved token."""
RECEIVED: ContextVar[Any] = ContextVar("RECEIVED", default=None)
"""What the Hub's client received for the request at hand."""
HEALTH_TIMEOUT = 10.0
"""Seconds for a health check or /info."""


class HTTPProvider(ServerProvider):
    """JSON over HTTP by aiohttp."""

    health_path = ""
    """Where a healthy server answers 200, below the endpoint's address."""

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self._session: aiohttp.ClientSession | None = None
        self._sent_to: dict[str, tuple[str, str, dict[str, Any]]] = {}
        """By an endpoint's address: what paths of the API come behind, the query after them, and headers and proxy."""

    @staticmethod
    def root(url: str) -> str:
        """The address that paths of the API are below, from the recipe's address."""
        return url

    async def _connect(self) -> None:
        import aiohttp

        secure = certificates() if any(url.startswith("https") for url in self.config.urls) else True
        connections = aiohttp.TCPConnector(limit=0, ssl=secure)  # the endpoints' limits decide
        timeout = aiohttp.ClientTimeout(total=self.config.timeout)
        self._session = aiohttp.ClientSession(connector=connections, timeout=timeout)
        for url in self.config.urls:
            address, query = split_query(url)
            given = {name.lower() for name in self.config.headers}
            headers = {
                n: v for n, v in headers_for(url, self.config.api_key).items() if n.lower() not in given
            }
            headers |= {name: value.strip() for name, value in self.config.headers.items()}
            options = {"headers": headers, "proxy": proxy_for(url), "allow_redirects": False}
            self._sent_to[url] = self.root(address), query_string(query, self.config.query), options

    async def _disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _is_healthy(self, endpoint: Endpoint) -> bool:
        try:
            await self._get(endpoint.url, self.health_path)
        except RequestError as error:
            return error.status in (401, 403, 404, 405)  # somebody is there
        return True

    async def _get(self, url: str, path: str) -> bytes:
        import aiohttp

        assert self._session is not None
        root, query, options = self._sent_to[url]
        timeout = aiohttp.ClientTimeout(total=HEALTH_TIMEOUT)
        options = {
            **options,
            "allow_redirects": not self.config.headers,
        }  # aiohttp keeps the token to its host
        sending = self._session.get(root + path + query, timeout=timeout, **options)
        return (await self._receive(sending, options["proxy"]))[0]

    async def _post(self, url: str, path: str, body: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        """POST JSON; the JSON that comes back, and the headers.

        Raises:
            RequestError: no connection, not 200, or not JSON.
        """
        assert self._session is not None
        root, query, options = self._sent_to[url]
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        address, proxy = root + path + query, options["proxy"]
        try:
            answer, headers = await self._receive(self._session.post(address, data=data, **options), proxy)
        except Moved as moved:  # what carries keys does not go to another host
            keys = {name.lower() for name in options["headers"]} - {"content-type", "user-agent"}
            elsewhere = urlsplit(moved.to)[:2] != urlsplit(address)[:2]
            if moved.status not in (307, 308) or (keys and elsewhere):
                raise
            answer, headers = await self._receive(self._session.post(moved.to, data=data, **options), proxy)
        return read_json(answer), headers

    async def _receive(self, sending: Any, proxy: str | None) -> tuple[bytes, Mapping[str, str]]:
        import aiohttp

        through = f", through the proxy {public(proxy)} that the environment names" if proxy else ""
        try:
            async with sending as response:
                answer: bytes = await response.read()
        except (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError) as error:
            said = f"no secure connection ({one_line(error)}); {CERTIFICATE_HINT}"
            raise RequestError(said + through, fatal=True) from error
        except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
            raise RequestError(one_line(error) + through, connected=False) from error
        except TimeoutError as error:
            raise RequestError(f"no answer in {self.config.timeout:g} s{through}") from error
        except (aiohttp.ClientError, OSError) as error:  # dropped, truncated, not HTTP
            said = f"the connection broke ({one_line(error) or type(error).__name__}{through})"
            raise RequestError(said) from error
        if response.status in (301, 302, 303, 307, 308):
            to = urljoin(str(response.url), response.headers.get("location", ""))
            raise Moved(to, public(to), response.status)
        if response.status != 200:
            refused = refusal(response.status, answer, response.headers)
            refused.said += through if response.status in (407, 502, 503, 504) else ""
            raise refused
        return answer, response.headers

    async def _chat(self, url: str, path: str, request: ChatRequest, form: str | None) -> Completion:
        """Ask the chat API."""
        shape = {"response_format": response_format(request.schema, form)} if request.schema else {}
        return await self._ask(
            url, path, request, {"messages": [dict(message) for message in request.messages], **shape}
        )

    async def _ask(self, url: str, path: str, request: ChatRequest, fields: Mapping[str, Any]) -> Completion:
        """Ask the chat or completions API with these fields, the sampling, and as the server takes it."""

        async def send(body: dict[str, Any]) -> Completion:
            answer, _ = await self._post(url, path, body)
            return read_chat(answer, self.model, request.max_tokens)

        ours = {"model": self.config.model, **fields, **chat_fields(request)}
        if "messages" in fields:
            ours |= thinking_fields(url, self.config.thinking)
        return await self.learned(url).ask(ours, self.config.extra_body, send)


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
            return await self._chat(url, "/chat/completions", request, form)
        prompt = self._template.render(messages=request.messages, add_generation_prompt=True)
        return await self._ask(url, "/completions", request, {"prompt": prompt})

    @staticmethod
    def root(url: str) -> str:
        """With /v1, unless the recipe's address has a path of its own; also from the address of the chat API itself."""
        url = url.removesuffix("/chat/completions").removesuffix("/completions")
        return url if urlsplit(url).path else url + "/v1"


@dataclass(frozen=True)
class TGIConfig(ServerConfig):
    """Hugging Face text-generation-inference."""

    base_url: str | list[str] | None = field(default="http://127.0.0.1:8080", repr=False)
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
                info = json.loads(await self._get(endpoint.url, "/info"))
            except (RequestError, ValueError) as error:
                if not self.model:  # what was asked of which model would be unknown
                    raise RunError(f"{endpoint.url}: {error}") from None
                continue
            info = info if isinstance(info, dict) else {}
            self.model = self.model or str(info.get("model_id") or "")
            most = info.get("max_concurrent_requests")
            if isinstance(most, int) and most > 0 and self.config.concurrency is None:
                endpoint.limit = endpoint.most = self._first = self._most = most

    async def _send(self, url: str, request: ChatRequest, form: str | None) -> Completion:
        if self.tgi.api == "chat":
            return await self._chat(url, "/v1/chat/completions", request, form)
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
        given = {k: v for k, v in (parameters | self.config.extra_body).items() if v is not None}
        answer, headers = await self._post(url, "/generate", {"inputs": prompt, "parameters": given})
        return read_generate(answer, headers, self.model, request.max_tokens)

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
        if self.query or any(urlsplit(url).query for url in self.urls):
            raise RecipeError("query: hf-inference sends none; type: openai does")


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

        class Client(AsyncInferenceClient):
            """Keeps what came as it came: the client's own types lose fields, and break on odd ones."""

            async def _inner_post(self, *args: Any, **kwargs: Any) -> Any:
                received = await super()._inner_post(*args, **kwargs)
                RECEIVED.set(received)
                return received

        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        set_async_client_factory(
            lambda: httpx2.AsyncClient(follow_redirects=True, timeout=None, limits=limits)
        )
        key, timeout, bill_to = self.config.api_key, self.config.timeout, self.hf.bill_to
        more = {name: value.strip() for name, value in self.config.headers.items()}
        self._clients = {}
        for url in self.config.urls:
            # Without this the client would send the saved token to any address.
            headers: dict[str, Any] = {} if key or is_hugging_face(url) else {"authorization": None}
            headers |= more
            self._clients[url] = Client(
                base_url=url, token=key, timeout=timeout, bill_to=bill_to, headers=headers
            )
        if not self._clients:
            where: dict[str, Any] = {"model": self.config.model, "provider": self.hf.provider}
            self._clients[""] = Client(
                token=key, timeout=timeout, bill_to=bill_to, headers=more or None, **where
            )

    async def _disconnect(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def _is_healthy(self, endpoint: Endpoint) -> bool:
        return True  # Hugging Face has no health check that one may rely on: the next request shows

    async def _send(self, url: str, request: ChatRequest, form: str | None) -> Completion:
        async def send(body: dict[str, Any]) -> Completion:
            return read_chat(await self._asked(url, body), self.model, request.max_tokens)

        ours = {
            "messages": [dict(message) for message in request.messages],
            "response_format": response_format(request.schema, form) if request.schema else None,
            **chat_fields(request),
            **thinking_fields(url or "https://router.huggingface.co", self.config.thinking),
        }
        return await self.learned(url).ask(ours, self.config.extra_body, send)

    async def _asked(self, url: str, body: dict[str, Any]) -> Any:
        """What the Hub's client gives back; what it has no name for goes by `extra_body`."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError

        known = ("messages", "response_format", "max_tokens", "temperature", "top_p", "seed")
        named = {key: value for key, value in body.items() if key in known}
        more = {key: value for key, value in body.items() if key not in known}
        RECEIVED.set(None)
        try:
            answer: Any = await self._clients[url].chat_completion(
                model=self.config.model, extra_body=more or None, **named
            )
        except HfHubHTTPError as error:
            if error.response is None:
                raise RequestError(one_line(error)) from error
            raise refusal(error.response.status_code, error.response.text, error.response.headers) from error
        except httpx2.ProxyError as error:
            raise RequestError(
                f"the proxy that the environment names: {one_line(error)}", connected=False
            ) from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            proxy = proxy_for(url or "https://router.huggingface.co")
            through = f", through the proxy {public(proxy)} that the environment names" if proxy else ""
            hint = f"; {CERTIFICATE_HINT}" if "certificate" in str(error).lower() else ""
            raise RequestError(one_line(error) + hint + through, connected=False) from error
        except (InferenceTimeoutError, httpx2.TimeoutException):
            raise RequestError(f"no answer in {self.config.timeout:g} s") from TimeoutError()
        except httpx2.TransportError as error:
            raise RequestError(f"the connection broke ({one_line(error)})") from error
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            if not isinstance(
                RECEIVED.get(), bytes
            ):  # the client refuses to send: no token, unknown provider
                raise RequestError(one_line(error), fatal=True) from error
        received = RECEIVED.get()
        return read_json(received) if isinstance(received, bytes) else answer


def headers_for(url: str, api_key: str | None) -> dict[str, str]:
    """The headers of every request to an address: the recipe's key; the saved token for Hugging Face's own hosts only."""
    from huggingface_hub import get_token

    token = api_key or (get_token() if is_hugging_face(url) else None)
    headers = {"Content-Type": "application/json", "User-Agent": "silly-llm"}
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def is_hugging_face(url: str) -> bool:
    """Whether the saved token may go there: Hugging Face's hosts, by https."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" and any(host == h or host.endswith("." + h) for h in HUGGING_FACE_HOSTS)


def compile_chat_template(text: str | None) -> Any:
    """A prompt from messages, for base models: sandboxed Jinja."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    plain = "{{ messages | map(attribute='content') | join('\\n\\n') }}\n\n"
    try:
        return ImmutableSandboxedEnvironment(keep_trailing_newline=True).from_string(text or plain)
    except TemplateError as error:
        raise RecipeError(f"chat_template: {error}") from None
