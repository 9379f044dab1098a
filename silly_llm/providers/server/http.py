"""JSON over HTTP, by aiohttp: a fifth of the processor time of the Hub's client, and no limit of 100 connections (docs/lab-log.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from yarl import URL

from silly_llm.providers.server.config import ServerConfig
from silly_llm.providers.server.connections import CERTIFICATE_HINT, certificates, headers_for, proxy_for, public
from silly_llm.providers.server.errors import RequestError, one_line, read_json, refusal

if TYPE_CHECKING:
    import aiohttp

HEALTH_TIMEOUT = 10.0
"""Seconds for a health check or /info."""
WITHOUT_KEYS = frozenset({"content-type", "user-agent"})
"""Headers of any request."""
Received = tuple[bytes, Mapping[str, str]]


class HTTPClient:
    """Sends to the addresses of a recipe. Made in the event loop that uses it.

    Args:
        config: the recipe's options.
        root: the address that paths of the API are below, from the recipe's address without its query.
    """

    def __init__(self, config: ServerConfig, root: Callable[[str], str]) -> None:
        import aiohttp

        self.timeout = config.timeout
        self._sent_to: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {}
        """By an endpoint's address: the root of its API, the query after its paths, and headers and proxy."""
        own = {name.lower() for name in config.headers}
        for url in config.urls:
            address = URL(url)
            headers = {n: v for n, v in headers_for(url, config.api_key).items() if n.lower() not in own}
            options = {"headers": headers | config.headers, "proxy": proxy_for(url), "allow_redirects": False}
            below = root(str(address.with_query(None)).rstrip("/"))
            self._sent_to[url] = below, {**address.query, **config.query}, options
        secure = certificates() if any(url.startswith("https") for url in config.urls) else True
        connector = aiohttp.TCPConnector(limit=0, ssl=secure)  # the endpoints' limits decide
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=config.timeout))

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, url: str, path: str) -> bytes:
        """GET a path, in `HEALTH_TIMEOUT`.

        Raises:
            RequestError: no connection, or not 200.
        """
        import aiohttp

        return (await self._send("GET", url, path, timeout=aiohttp.ClientTimeout(total=HEALTH_TIMEOUT)))[0]

    async def post(self, url: str, path: str, body: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        """POST JSON; the JSON that comes back, and the headers.

        Raises:
            RequestError: no connection, not 200, or not JSON.
        """
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        answer, headers = await self._send("POST", url, path, data=data)
        return read_json(answer), headers

    async def _send(self, method: str, url: str, path: str, **more: Any) -> Received:
        root, query, options = self._sent_to[url]
        address = URL(root + path).with_query(query or None)
        response, answer = await self._receive(method, address, **options, **more)
        if response.status in (301, 302, 303, 307, 308):
            to = response.url.join(URL(response.headers.get("location", "")))
            # What carries keys does not go to another host.
            stays = to.origin() == address.origin() or {n.lower() for n in options["headers"]} <= WITHOUT_KEYS
            if not stays or (method == "POST" and response.status < 307):
                said = f"moved to {public(to)}; set base_url to its beginning"
                raise RequestError(said, status=response.status, fatal=True)
            response, answer = await self._receive(method, to, **options, **more)
        if response.status != 200:
            refused = refusal(response.status, answer, response.headers)
            if response.status in (407, 502, 503, 504):
                refused.said += through(options["proxy"])
            raise refused
        return answer, response.headers

    async def _receive(self, method: str, address: URL, **options: Any) -> tuple[aiohttp.ClientResponse, bytes]:
        import aiohttp

        by = through(options["proxy"])
        try:
            async with self._session.request(method, address, **options) as response:
                return response, await response.read()
        except (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError) as error:
            said = f"no secure connection ({one_line(error)}); {CERTIFICATE_HINT}"
            raise RequestError(said + by, fatal=True) from error
        except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
            raise RequestError(f"no server answers ({one_line(error)}{by})", connected=False) from error
        except TimeoutError as error:
            raise RequestError(f"no answer in {self.timeout:g} s{by}") from error
        except (aiohttp.ClientError, OSError) as error:  # dropped, truncated, not HTTP
            raise RequestError(f"the connection broke ({one_line(error) or type(error).__name__}{by})") from error


def through(proxy: str | None) -> str:
    """What an error line says of a proxy."""
    return f", through the proxy {public(proxy)} that the environment names" if proxy else ""
