"""JSON over HTTP, by aiohttp: a fifth of the processor time of the Hub's client, and no limit of 100 connections (docs/lab-log.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from yarl import URL

from silly_llm.providers.server.config import ServerConfig
from silly_llm.providers.server.connections import CERTIFICATE_HINT, certificates, headers_for, proxy_for, public
from silly_llm.providers.server.errors import RequestError, one_line, read_json, refusal

HEALTH_TIMEOUT = 10.0
"""Seconds for a health check or /info."""
Received = tuple[bytes, Mapping[str, str]]


class Site(NamedTuple):
    """What is sent to one address of a recipe."""

    root: str
    """What the paths of the API come behind."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    proxy: str | None

    def address(self, path: str) -> URL:
        """The full address of a path of the API."""
        return URL(self.root + path).with_query(self.query or None)

    @property
    def has_keys(self) -> bool:
        """Whether the headers carry more than what any request says."""
        return not {name.lower() for name in self.headers} <= {"content-type", "user-agent"}


class HTTPClient:
    """Sends to the addresses of a recipe. Made in the event loop that uses it.

    Args:
        config: the recipe's options.
        root: the address that paths of the API are below, from the recipe's address without its query.
    """

    def __init__(self, config: ServerConfig, root: Callable[[str], str]) -> None:
        import aiohttp

        self.timeout = config.timeout
        self._sites: dict[str, Site] = {}
        for url in config.urls:
            address = URL(url)
            given = {name.lower() for name in config.headers}
            headers = {n: v for n, v in headers_for(url, config.api_key).items() if n.lower() not in given}
            below = root(str(address.with_query(None)).rstrip("/"))
            self._sites[url] = Site(below, {**address.query, **config.query}, headers | config.headers, proxy_for(url))
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

        site = self._sites[url]
        timeout = aiohttp.ClientTimeout(total=HEALTH_TIMEOUT)
        return (await self._receive(site, "GET", site.address(path), timeout=timeout))[0]

    async def post(self, url: str, path: str, body: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        """POST JSON; the JSON that comes back, and the headers.

        Raises:
            RequestError: no connection, not 200, or not JSON.
        """
        site = self._sites[url]
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        answer, headers = await self._receive(site, "POST", site.address(path), data=data)
        return read_json(answer), headers

    async def _receive(self, site: Site, method: str, url: URL, *, moved: bool = False, **options: Any) -> Received:
        import aiohttp

        through = f", through the proxy {public(site.proxy)} that the environment names" if site.proxy else ""
        try:
            async with self._session.request(
                method, url, headers=site.headers, proxy=site.proxy, allow_redirects=False, **options
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError) as error:
            said = f"no secure connection ({one_line(error)}); {CERTIFICATE_HINT}"
            raise RequestError(said + through, fatal=True) from error
        except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
            raise RequestError(f"no server answers ({one_line(error)}{through})", connected=False) from error
        except TimeoutError as error:
            raise RequestError(f"no answer in {self.timeout:g} s{through}") from error
        except (aiohttp.ClientError, OSError) as error:  # dropped, truncated, not HTTP
            said = one_line(error) or type(error).__name__
            raise RequestError(f"the connection broke ({said}{through})") from error
        if response.status in (301, 302, 303, 307, 308):
            to = response.url.join(URL(response.headers.get("location", "")))
            stays = to.origin() == url.origin() or not site.has_keys  # what carries keys does not go to another host
            if stays and not moved and (method == "GET" or response.status >= 307):
                return await self._receive(site, method, to, moved=True, **options)
            said = f"moved to {public(to)}; set base_url to its beginning"
            raise RequestError(said, status=response.status, fatal=True)
        if response.status != 200:
            refused = refusal(response.status, answer, response.headers)
            refused.said += through if response.status in (407, 502, 503, 504) else ""
            raise refused
        return answer, response.headers
