"""What a server's refusal means: whether the same request may succeed later, when, and what was said, in one line."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FATAL = {
    401: "wrong or missing token",
    402: "payment required",
    403: "no permission",
    404: "no such model or address",
    405: "not the address of an API",
}
"""HTTP statuses after which no other request can succeed."""
OVERLOADED = frozenset({429, 503, 529})
"""Sent when there are too many requests: the number in flight goes down."""
TRANSIENT = OVERLOADED | {408, 409, 424, 425, 500, 502, 504}
"""The same request may succeed later; the other 4xx (400, 413, 422: over-long prompts, bad parameters) cannot."""
FATAL_CODES = ("insufficient_quota", "billing_hard_limit_reached", "model_not_found", "invalid_api_key")
"""OpenAI's codes for what is fatal whatever the status (an empty account answers 429)."""
LONGEST_SAID = 300
"""Characters of a server's message that are shown."""


class RequestError(Exception):
    """A request that got no answer."""

    def __init__(
        self,
        said: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        transient: bool = True,
        fatal: bool = False,
        connected: bool = True,
        never_connected: bool = False,
        detail: str = "",
        params: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(said)
        self.said = said
        """What the server or the connection said, in one line."""
        self.status = status
        """HTTP status, if there was one."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""
        self.transient = transient and not fatal
        self.fatal = fatal
        """No other request can succeed either."""
        self.connected = connected
        """False: nobody took the connection."""
        self.never_connected = never_connected
        """Something else than an API answers there, it seems."""
        self.detail = detail or said
        """The whole of what was said."""
        self.params = params
        """Names of parameters that the server objects to, where it says so apart from the text."""

    @property
    def overloaded(self) -> bool:
        """There is too much in flight."""
        return not self.fatal and (self.status in OVERLOADED or isinstance(self.__cause__, TimeoutError))

    def __str__(self) -> str:
        if self.status is None:
            return self.said if self.connected else f"no server answers ({self.said})"
        if self.status in FATAL:
            return f"{FATAL[self.status]} (HTTP {self.status}: {self.said})"
        return f"HTTP {self.status}: {self.said}"


class Moved(RequestError):
    """A redirection: the server wants another address to be asked."""

    def __init__(self, to: str, shown: str, status: int) -> None:
        super().__init__(f"moved to {shown}; set base_url to its beginning", status=status, fatal=True)
        self.to = to


def refusal(status: int, body: bytes | str, headers: Mapping[str, str]) -> RequestError:
    """The error behind an HTTP status that is not 2xx."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    said: str = text
    codes: set[object] = set()
    params: set[str] = set()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        if page := web_page(text):
            said = page
    else:
        for _ in range(10):
            if not isinstance(content, dict):
                break
            codes |= {code for code in (content.get("code"), content.get("type")) if isinstance(code, str)}
            if isinstance(content.get("param"), str):
                params.add(content["param"])
            inner = content.get("error") or content.get("message") or content.get("detail")
            if not inner:
                break
            content = inner
        if isinstance(content, list):  # FastAPI: one entry for each field
            places = [item["loc"] for item in content if isinstance(item, dict) and isinstance(item.get("loc"), list)]
            params |= {str(part) for place in places for part in place if part != "body"}
        said = str(content)
    if status == 405:
        said = f"this address takes no requests to a model; is base_url right? {said}"
    return RequestError(
        one_line(said) or "no reason given",
        status=status,
        retry_after=seconds_to_wait(headers.get("retry-after"), headers.get("retry-after-ms")),
        transient=status in TRANSIENT,
        fatal=status in FATAL or any(code in FATAL_CODES for code in codes),
        detail=" ".join(said.split())[:4000],
        params=frozenset(params),
    )


PAGE = re.compile(r"\s*(?:<!doctype html|<html|<head|<body|<\?xml)", re.IGNORECASE)
TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)


def web_page(text: str) -> str | None:
    """What to say of a body that is a web page and no answer of an API; `None` where it is none."""
    if not PAGE.match(text):
        return None
    title = TITLE.search(text)
    named = f" with the title {one_line(title[2])!r}" if title else ""
    return f"a web page{named}, not an API"


def one_line(text: object) -> str:
    """`text` on one line, at most `LONGEST_SAID` characters."""
    return " ".join(str(text).split())[:LONGEST_SAID].encode("utf-8", "replace").decode()


def seconds_to_wait(retry_after: str | None, milliseconds: str | None = None) -> float | None:
    """The seconds behind a Retry-After header, which is a number or a date (RFC 9110, section 10.2.3), or retry-after-ms."""
    if milliseconds:
        with contextlib.suppress(ValueError):
            return max(float(milliseconds) / 1000, 0.0)
    if not retry_after:
        return None
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((until - datetime.now(UTC)).total_seconds(), 0.0)
