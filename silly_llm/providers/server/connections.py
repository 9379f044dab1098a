"""How a server is reached: its address, and the token, proxy and certificates that may go there."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from yarl import URL

from silly_llm.core.errors import RunError

HUGGING_FACE = ("huggingface.co", "hf.co", "huggingface.cloud", "hf.space")
"""Domains that may see the saved token."""
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Python heeds the first, requests and curl the others; so do we, in this order."""
CERTIFICATE_HINT = "if it is a certificate of your own, name its authority's file in SSL_CERT_FILE"


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

    Raises:
        RunError: it is one that cannot be used.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise RunError(
            f"{public(url)}: the environment names the proxy {public(proxy)}, and only HTTP proxies are understood; name one in "
            f"{URL(url).scheme.upper()}_PROXY, or the host in NO_PROXY"
        )
    return proxy


def certificates() -> ssl.SSLContext:
    """TLS with the authorities that the environment names, else the system's.

    Raises:
        RunError: the file that is named cannot be read.
    """
    name = next((name for name in CA_VARIABLES if os.environ.get(name)), None)
    if name is None:
        return ssl.create_default_context()
    path = os.environ[name]
    try:
        is_folder = Path(path).is_dir()
        return ssl.create_default_context(capath=path if is_folder else None, cafile=None if is_folder else path)
    except OSError as error:
        raise RunError(f"{name}: {path}: cannot be read ({error.strerror or error})") from None
