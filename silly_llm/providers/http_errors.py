"""What a server's refusal means: whether the same request may succeed later, when, and what was said, in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FATAL = {
    401: "wrong or missing token",
    402: "payment required",
    403: "no permission",
    404: "no such model or address",
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


def refusal(status: int, body: bytes | str, headers: Mapping[str, str]) -> RequestError:
    """The error behind an HTTP status that is not 2xx."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    said, codes = text, set()
    try:
        content = json.loads(text)
    except ValueError:
        pass
    else:
        while isinstance(content, dict):
            codes |= {content.get("code"), content.get("type")}
            inner = content.get("error") or content.get("message") or content.get("detail")
            if not inner:
                break
            content = inner
        said = str(content)
    return RequestError(
        one_line(said) or "no reason given",
        status=status,
        retry_after=seconds_to_wait(headers.get("retry-after")),
        transient=status in TRANSIENT,
        fatal=status in FATAL or any(code in FATAL_CODES for code in codes),
    )


def one_line(text: object) -> str:
    """`text` on one line, at most `LONGEST_SAID` characters."""
    return " ".join(str(text).split())[:LONGEST_SAID]


def seconds_to_wait(retry_after: str | None) -> float | None:
    """The seconds behind a Retry-After header, which is a number or a date (RFC 9110, section 10.2.3)."""
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
