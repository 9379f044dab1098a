"""The provider of the Hugging Face Hub's Inference Providers and Endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.server.answers import read_chat, read_json
from silly_llm.providers.server.base import ServerConfig, ServerProvider
from silly_llm.providers.server.connections import CERTIFICATE_HINT, proxy_for, public
from silly_llm.providers.server.endpoints import Endpoint
from silly_llm.providers.server.errors import RequestError, one_line, refusal
from silly_llm.providers.server.http import RECEIVED, is_hugging_face
from silly_llm.providers.server.request_fields import chat_fields, thinking_fields
from silly_llm.providers.server.structured import response_format

if TYPE_CHECKING:
    from huggingface_hub import AsyncInferenceClient


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
        set_async_client_factory(lambda: httpx2.AsyncClient(follow_redirects=True, timeout=None, limits=limits))
        key, timeout, bill_to = self.config.api_key, self.config.timeout, self.hf.bill_to
        more = {name: value.strip() for name, value in self.config.headers.items()}
        self._clients = {}
        for url in self.config.urls:
            # Without this the client would send the saved token to any address.
            headers: dict[str, Any] = {} if key or is_hugging_face(url) else {"authorization": None}
            headers |= more
            self._clients[url] = Client(base_url=url, token=key, timeout=timeout, bill_to=bill_to, headers=headers)
        if not self._clients:
            where: dict[str, Any] = {"model": self.config.model, "provider": self.hf.provider}
            self._clients[""] = Client(token=key, timeout=timeout, bill_to=bill_to, headers=more or None, **where)

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
            raise RequestError(f"the proxy that the environment names: {one_line(error)}", connected=False) from error
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
            if not isinstance(RECEIVED.get(), bytes):  # the client refuses to send: no token, unknown provider
                raise RequestError(one_line(error), fatal=True) from error
        received = RECEIVED.get()
        return read_json(received) if isinstance(received, bytes) else answer
