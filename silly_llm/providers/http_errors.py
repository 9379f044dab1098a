"""What a server's refusal means: which errors end a run, which pass, how long to wait, and what was said, in one line."""

from __future__ import annotations

import json

FATAL = {
    401: "wrong or missing token",
    402: "payment required",
    403: "no permission",
    404: "no such model or address",
}
"""HTTP statuses after which no other request can succeed."""
RETRIED = frozenset({408, 409, 424, 425, 429, 500, 502, 503, 504, 529})
LONGEST_WAIT = 60.0
"""Seconds; longer Retry-After times are cut to it."""


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error; `text_generation` hides it in the cause."""
    for e in (error, error.__cause__):
        response = getattr(e, "response", None)
        if response is not None:
            return int(response.status_code)
    return None


def message_of(error: BaseException) -> str:
    """What the server said, in one line."""
    response = getattr(error, "response", None)
    if response is not None:
        try:
            said = response.json()
            while isinstance(said, dict) and (
                inner := said.get("error") or said.get("message") or said.get("detail")
            ):
                said = inner
            return " ".join(str(said).split())[:300]
        except ValueError:
            return " ".join(response.text.split())[:300] or response.reason_phrase
    return " ".join(str(error).split())[:300] or type(error).__name__


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed later."""
    import httpx2
    from huggingface_hub.errors import InferenceTimeoutError

    status = status_of(error)
    if status is not None:
        return status in RETRIED
    # Garbage instead of an answer (half a JSON, no choices) comes from servers that are going down.
    garbage = (json.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError, UnicodeDecodeError)
    return isinstance(error, (httpx2.TransportError, InferenceTimeoutError, *garbage))


def retry_after(error: BaseException) -> float | None:
    """The seconds that a server asks to wait by Retry-After (a number or a date), at most a minute."""
    from datetime import datetime, timezone
    from email.utils import parsedate_to_datetime

    for e in (error, error.__cause__):
        response = getattr(e, "response", None)
        text = response.headers.get("retry-after") if response is not None else None
        if text and response is not None and response.status_code in RETRIED:
            try:
                seconds = float(text)
            except ValueError:
                try:
                    seconds = (parsedate_to_datetime(text) - datetime.now(timezone.utc)).total_seconds()
                except (ValueError, TypeError):
                    return None
            return min(max(seconds, 0.001), LONGEST_WAIT)
    return None
