"""LLM providers that talk to a server: `openai` (any compatible server), `tgi`, `hf-inference`.

`openai` and `tgi` speak HTTP by aiohttp, which takes a fifth of the processor time of the Hub client and has no limit of
100 connections (FACTS); `hf-inference` is `huggingface_hub.AsyncInferenceClient`, which knows the providers and who pays.
The saved Hugging Face token goes to Hugging Face's own hosts only; any other server gets the recipe's `api_key` or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.server.answers import read_chat, read_json
from silly_llm.providers.server.base import ServerConfig, ServerProvider
from silly_llm.providers.server.connections import (
    CERTIFICATE_HINT,
    certificates,
    proxy_for,
    public,
    query_string,
    split_query,
)
from silly_llm.providers.server.endpoints import Endpoint
from silly_llm.providers.server.errors import Moved, RequestError, one_line, refusal
from silly_llm.providers.server.request_fields import chat_fields, thinking_fields
from silly_llm.providers.server.structured import response_format

if TYPE_CHECKING:
    import aiohttp

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
            headers = {n: v for n, v in headers_for(url, self.config.api_key).items() if n.lower() not in given}
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
        options = {**options, "allow_redirects": not self.config.headers}  # aiohttp keeps the token to its host
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
