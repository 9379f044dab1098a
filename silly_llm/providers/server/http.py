"""How a server is reached: JSON over HTTP, and the token, proxy and certificates that may go to its address.

By aiohttp: a sixth of the processor time of the Hub's client, and no limit of 100 connections (docs/lab-log.md).
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yarl import URL

from silly_llm.core.errors import RunError
from silly_llm.providers.server.errors import RequestError, one_line, read_json, refusal

if TYPE_CHECKING:
    import aiohttp

    from silly_llm.providers.server.base import ServerConfig

HUGGING_FACE = ("huggingface.co", "hf.co", "huggingface.cloud", "hf.space")
"""Domains that may see the saved token."""
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In this order: Python reads the first, requests and curl the others."""
CERTIFICATE_HINT = "if it is a certificate of your own, name its authority's file in SSL_CERT_FILE"
HEALTH_TIMEOUT = 10.0
"""Seconds for a health check or /info."""
MOST_REDIRECTS = 5
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
        self._sent_to: dict[str, tuple[str, str, dict[str, Any]]] = {}
        """By an endpoint's address: the root of its API, the query after its paths, and headers and proxy."""
        own = {name.lower() for name in config.headers}
        for url in config.urls:
            address = URL(url)
            headers = {n: v for n, v in headers_for(url, config.api_key).items() if n.lower() not in own}
            options = {"headers": headers | config.headers, "proxy": proxy_for(url), "allow_redirects": False}
            below = root(str(address.with_query(None)).rstrip("/"))
            self._sent_to[url] = below, str(URL.build(query={**address.query, **config.query})), options
        secure = certificates() if any(url.startswith("https") for url in config.urls) else True
        connector = aiohttp.TCPConnector(limit=0, ssl=secure)  # the endpoints' limits decide
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=config.timeout))

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, url: str, path: str) -> bytes:
        """GET a path, in `HEALTH_TIMEOUT`; raises `RequestError` without a connection or success."""
        import aiohttp

        return (await self._send("GET", url, path, timeout=aiohttp.ClientTimeout(total=HEALTH_TIMEOUT)))[0]

    async def post(self, url: str, path: str, body: Mapping[str, Any]) -> tuple[Any, Mapping[str, str]]:
        """POST JSON; the JSON that comes back, and the headers. Raises `RequestError` without a connection, success or JSON."""
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        answer, headers = await self._send("POST", url, path, data=data)
        return read_json(answer), headers

    async def _send(self, method: str, url: str, path: str, **more: Any) -> Received:
        root, query, options = self._sent_to[url]
        address = to = URL(root + path + query)
        for _ in range(MOST_REDIRECTS):
            response, answer = await self._receive(method, to, **options, **more)
            if response.status not in (301, 302, 303, 307, 308):
                break
            to = response.url.join(URL(response.headers.get("location", "")))
            # What carries keys does not go to another host.
            stays = to.origin() == address.origin() or {n.lower() for n in options["headers"]} <= WITHOUT_KEYS
            if not stays or (method == "POST" and response.status < 307):
                said = f"moved to {public(to)}; set base_url to its beginning"
                raise RequestError(said, status=response.status, fatal=True)
        else:
            said = f"redirected {MOST_REDIRECTS} times, at last to {public(to)}; is base_url right?"
            raise RequestError(said, status=response.status, fatal=True)
        if response.status >= 300:
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


def public(url: str | URL) -> str:
    """An address without user, password and query, for messages."""
    return str(URL(url).with_user(None).with_query(None))


def is_within(url: str | URL, *domains: str) -> bool:
    """Whether an address is in one of the domains."""
    host = URL(url).host or ""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def headers_for(url: str, api_key: str | None) -> dict[str, str]:
    """The headers of every request to an address: the recipe's key, or the saved token if Hugging Face is there, behind https."""
    from huggingface_hub import get_token

    trusted = url.startswith("https:") and is_within(url, *HUGGING_FACE)
    token = api_key or (get_token() if trusted else None)
    headers = {"Content-Type": "application/json", "User-Agent": "silly-llm"}
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; looked up once, since aiohttp would do so at every request.

    Raises `RunError` if it is one that cannot be used.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy or not proxy.strip():
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    with suppress(ValueError):
        if URL(proxy).scheme in ("http", "https") and URL(proxy).host:
            return proxy
    raise RunError(
        f"{public(url)}: the environment names the proxy {proxy.rpartition('@')[2]!r}, and only HTTP proxies are understood; name "
        f"one in {URL(url).scheme.upper()}_PROXY, or the host in NO_PROXY"
    )


def certificates() -> ssl.SSLContext:
    """TLS with the authorities that the environment names, else the system's; raises `RunError` if their file cannot be read."""
    name = next((name for name in CA_VARIABLES if os.environ.get(name)), None)
    if name is None:
        return ssl.create_default_context()
    path = os.environ[name]
    try:
        is_folder = Path(path).is_dir()
        return ssl.create_default_context(capath=path if is_folder else None, cafile=None if is_folder else path)
    except OSError as error:
        raise RunError(f"{name}: {path}: cannot be read ({error.strerror or error})") from None
