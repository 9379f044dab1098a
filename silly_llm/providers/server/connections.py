"""How a server is reached: its address with a query, the proxy and the certificates that the environment names."""

from __future__ import annotations

import ipaddress
import os
import ssl
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from silly_llm.core.errors import RunError

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Python heeds the first, requests and curl the others; so do we, in this order."""
CERTIFICATE_HINT = "if it is a certificate of your own, name its authority's file in SSL_CERT_FILE"


def split_query(url: str) -> tuple[str, dict[str, str]]:
    """An address without its query, and the query."""
    parts = urlsplit(url)
    return urlunsplit((*parts[:3], "", "")).rstrip("/"), dict(parse_qsl(parts.query, keep_blank_values=True))


def query_string(*queries: dict[str, str]) -> str:
    """`?name=value…` of all of them, later ones win; empty for none."""
    query = {name: value for each in queries for name, value in each.items()}
    return f"?{urlencode(query)}" if query else ""


def public(url: str) -> str:
    """An address without user, password and query, for messages."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; looked up once, for aiohttp would do so at every request.

    Raises:
        RunError: it is one that cannot be used.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.hostname or "") or in_a_network(parts.hostname or "", proxies.get("no", "")):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        raise RunError(
            f"{public(url)}: the environment names the proxy {public(proxy)}, and only HTTP proxies are understood; name one in "
            f"{parts.scheme.upper()}_PROXY, or the host in NO_PROXY"
        )
    return proxy


def in_a_network(host: str, no_proxy: str) -> bool:
    """Whether an address is in one of the networks (10.0.0.0/8) of no_proxy, which urllib does not look at."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in no_proxy.split(","):
        try:
            if "/" in entry and address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


def certificates() -> ssl.SSLContext:
    """TLS with the authorities that the environment names, else the system's.

    Raises:
        RunError: the file that is named cannot be read.
    """
    for name in CA_VARIABLES:
        if path := os.environ.get(name):
            try:
                folder = Path(path).is_dir()
                return ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
            except OSError as error:
                raise RunError(f"{name}: {path}: cannot be read ({error.strerror or error})") from None
    return ssl.create_default_context()
