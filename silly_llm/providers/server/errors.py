"""What a server's refusal means: whether the same request may succeed later, when, and what was said, in one line."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from email.utils import parsedate_to_datetime
from typing import Any

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
TRANSIENT = OVERLOADED | {408, 409, 424, 425}
"""The same request may succeed later, as after any 5xx; the other 4xx (400, 413, 422: over-long prompts, bad parameters) cannot."""
FATAL_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "model_not_found", "invalid_api_key"})
"""OpenAI's codes for what is fatal whatever the status (an empty account answers 429)."""
LONGEST_SAID = 300
"""Characters of a server's message that are shown."""
PAGE = re.compile(r"[\s\ufeff]*<(?:!doctype html|!--|\?xml|(?:html|head|body|title|h1|div|p)\b)", re.IGNORECASE)
EVENTS = re.compile(r"\s*(?:data|event|id|retry)?:")
"""How a stream of server-sent events begins."""
TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)


@dataclass(eq=False)
class RequestError(Exception):
    """A request that got no answer."""

    said: str
    """What the server or the connection said, in one line."""
    _: KW_ONLY
    status: int | None = None
    """HTTP status, if there was one."""
    retry_after: float | None = None
    """Seconds that the server asks to wait."""
    transient: bool = True
    """The same request may succeed later."""
    fatal: bool = False
    """No other request can succeed either."""
    connected: bool = True
    """False: no API was reached."""
    detail: str = ""
    """All that the server said."""
    params: frozenset[str] = frozenset()
    """Names of parameters that the server objects to, where it says so apart from the text."""

    @property
    def overloaded(self) -> bool:
        """There is too much in flight."""
        return not self.fatal and (self.status in OVERLOADED or isinstance(self.__cause__, TimeoutError))

    def __str__(self) -> str:
        if self.status is None:
            return self.said
        said = f"HTTP {self.status}: {self.said}"
        return f"{FATAL[self.status]} ({said})" if self.status in FATAL else said


def refusal(status: int, body: bytes | str, headers: Mapping[str, str]) -> RequestError:
    """The error behind an HTTP status that is not 2xx."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    codes: set[object] = set()
    params: set[str] = set()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = web_page(text) or text
    for _ in range(10):  # errors stand in errors
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
    fatal = status in FATAL or not codes.isdisjoint(FATAL_CODES)
    return RequestError(
        one_line(said) or "no reason given",
        status=status,
        retry_after=seconds_to_wait(headers.get("retry-after"), headers.get("retry-after-ms")),
        transient=(status in TRANSIENT or status >= 500) and not fatal,
        fatal=fatal,
        detail=" ".join([*said.split(), *map(str, codes)])[:4000],
        params=frozenset(params),
    )


def read_json(answer: bytes) -> Any:
    """What came with success; raises `RequestError` if it is not JSON, and names a web page or a stream as one."""
    try:
        return json.loads(answer)
    except ValueError:
        text = answer[:2000].decode("utf-8", "replace")
    if page := web_page(text):
        raise RequestError(f"{page}; is base_url right?", connected=False)
    if EVENTS.match(text):
        said = "a stream of events instead of one answer; extra_body: {stream: false} may switch it off"
        raise RequestError(said, connected=False)
    raise RequestError(f"the answer is not JSON: {one_line(text)[:80] or 'it is empty'}")


def web_page(text: str) -> str | None:
    """What to say of a body that is a web page rather than the answer of an API; `None` if it is not one."""
    if not PAGE.match(text):
        return None
    title = TITLE.search(text)
    return f"a web page{f' with the title {one_line(title[2])!r}' if title else ''}, not an API"


def one_line(text: object) -> str:
    """`text` on one line, at most `LONGEST_SAID` characters."""
    return " ".join(str(text).split())[:LONGEST_SAID].encode("utf-8", "replace").decode()


def seconds_to_wait(retry_after: str | None, milliseconds: str | None = None) -> float | None:
    """The seconds behind a Retry-After header, which is a number or a date (RFC 9110, section 10.2.3), or retry-after-ms."""
    said: Any = retry_after
    for read in (
        lambda: float(milliseconds) / 1000,  # type: ignore[arg-type]
        lambda: float(said.rstrip("s")),
        lambda: parsedate_to_datetime(said).timestamp() - time.time(),
    ):
        with suppress(ValueError, TypeError, AttributeError, OverflowError):
            return max(0.0, read())  # in this order NaN is 0
    return None
