"""The provider of the Hugging Face Hub's Inference Providers and Endpoints, by `huggingface_hub.AsyncInferenceClient`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from yarl import URL

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.providers.server.base import ServerConfig, ServerProvider, header_value
from silly_llm.providers.server.errors import RequestError, one_line, read_json, refusal
from silly_llm.providers.server.http import CERTIFICATE_HINT, certificates, headers_for, proxy_for, public, through

RECEIVED: ContextVar[Any] = ContextVar("RECEIVED", default=None)
"""The response to the request at hand: the client's own types lose fields of it, and break on odd ones."""


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
        if self.query and not self.base_url:
            raise RecipeError("query: hf-inference sends none without a base_url")
        if self.bill_to:
            object.__setattr__(self, "bill_to", header_value("bill_to", self.bill_to))

    @property
    def urls(self) -> list[str]:
        return super().urls or [f"https://router.huggingface.co/{self.provider or ''}".rstrip("/")]


class HubClient:
    """What `HTTPClient` is for other servers. The Hub's client knows where each provider is and what it calls a model."""

    def __init__(self, config: HFInferenceConfig, root: Callable[[str], str]) -> None:
        import httpx2
        from huggingface_hub import AsyncInferenceClient, set_async_client_factory

        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        options: dict[str, Any] = {"limits": limits, "verify": certificates(), "event_hooks": {"response": [keep]}}
        set_async_client_factory(lambda: httpx2.AsyncClient(**options))
        self._sent_to: dict[str, tuple[AsyncInferenceClient, str]] = {}
        """By an endpoint's address: the client, and what messages say of its proxy."""
        for url in config.urls:
            where: dict[str, Any] = {"base_url": str(URL(url).update_query(config.query))}
            if not config.base_url:
                where = {"model": config.model, "provider": config.provider}
            # Without this the client would send the saved token to any address.
            own = {} if "Authorization" in headers_for(url, config.api_key) else {"authorization": None}
            where |= {"headers": own | config.headers, "token": config.api_key, "bill_to": config.bill_to}
            client = AsyncInferenceClient(**where, timeout=config.timeout)
            self._sent_to[url] = client, through(proxy_for(url))

    async def close(self) -> None:
        """Close all connections."""
        for client, _ in self._sent_to.values():
            await client.close()

    async def get(self, url: str, path: str) -> None:
        """Nothing: Hugging Face has no health check to rely on, the next request shows."""

    async def post(self, url: str, path: str, body: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        """Ask the chat API; the JSON that comes back, and the headers. Raises `RequestError` as `HTTPClient.post` does."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError

        client, by = self._sent_to[url]
        others = {name: value for name, value in body.items() if name != "messages"}
        RECEIVED.set(None)
        try:
            await client.chat_completion(body["messages"], extra_body=others)
        except HfHubHTTPError as error:  # the Hub's too, which knows what a provider calls the model
            RECEIVED.set(error.response)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise RequestError(f"no answer in {client.timeout:g} s{by}") from error
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            hint = f"; {CERTIFICATE_HINT}" if "[SSL" in str(error) else ""
            raise RequestError(f"no server answers ({one_line(error)}{hint}{by})", connected=False) from error
        except httpx2.RequestError as error:  # dropped, truncated, not HTTP
            raise RequestError(f"the connection broke ({one_line(error)}{by})") from error
        except Exception as error:
            if RECEIVED.get() is None:  # the client refuses to send: no token, unknown provider
                raise RequestError(one_line(error), fatal=True) from error
        response = RECEIVED.get()
        if response.next_request:  # where `headers` and `bill_to` must not go unasked
            moved = f"moved to {public(str(response.next_request.url))}; set base_url to its beginning"
            raise RequestError(moved, status=response.status_code, fatal=True)
        if response.status_code >= 300:
            raise refusal(response.status_code, response.content, response.headers)
        return read_json(response.content), response.headers


async def keep(response: Any) -> None:
    """Keep what came for the task that asked."""
    await response.aread()
    RECEIVED.set(response)


@register("llm_provider", "hf-inference")
class HFInferenceProvider(ServerProvider):
    """Hugging Face Inference Providers and Inference Endpoints, with the saved login or HF_TOKEN."""

    client = HubClient
    forms = ("openai", "prompt")

    def __init__(self, config: HFInferenceConfig) -> None:
        super().__init__(config)
