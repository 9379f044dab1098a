"""The options of the scripted LLM, and which requests fail.

Whether a request fails, and how, is drawn from (seed, question, attempt): the second attempt at a question has the same fate
in every run, in whatever order requests arrive. `fail_first` alone goes by the order of arrival.
"""

import random
import re
from collections import Counter
from dataclasses import dataclass, fields

from servers.scripted_oddities import ODDITIES

FAULTS = ("drop", "drop_middle", "truncated", "garbage", "empty")
"""Besides any HTTP status: the connection closed before the answer, or in the middle of it; HTTP 200 with half of the JSON, with no
JSON, with an answer without text."""


@dataclass(frozen=True)
class Behaviour:
    """The options; 0, "" and () mean none.

    Raises:
        TypeError, ValueError: an unknown option, or a value that makes no sense.
    """

    latency: float = 0.0
    """Seconds before an answer."""
    slow_start: float = 0.0
    """Seconds from now in which everything answers 503, as from llama.cpp while it loads."""
    token: str = ""
    """Refuse requests without this token (401)."""
    flavour: str = "openai"
    """Whose manners the /v1 API has: openai (vLLM, llama.cpp) or tgi."""
    honours: tuple[str, ...] = ("openai",)
    """Forms of a JSON schema that the /v1 API heeds: openai, tgi, llama.cpp; others are ignored (TGI refuses them)."""
    json_when_asked: bool = False
    """A schema given in words alone is kept to as well."""
    refuses: tuple[str, ...] = ()
    """Parameters of the /v1 API that are refused (400); `system`: that role."""
    fail: tuple[str, ...] = ()
    """Faults to draw from: HTTP statuses and `FAULTS`."""
    fail_rate: float = 0.0
    """Share of requests that fail."""
    fail_first: int = 0
    """How many requests fail at first."""
    retry_after: str = ""
    """Retry-After of failures: seconds or an HTTP date."""
    retry_after_ms: int = 0
    """A retry-after-ms header of failures, which Azure sends beside a longer Retry-After."""
    odd: tuple[str, ...] = ()
    """Shapes of chat answers to draw from (`ODDITIES`)."""
    odd_rate: float = 1.0
    """Share of the questions that get one, each time they come."""
    before: str = ""
    """Text put before each answer, such as <think>…</think>."""
    page: int = 0
    """Answer everything with a web page of this HTTP status."""
    moved_to: str = ""
    """Answer everything with 301 and this Location."""
    cheap_answers: bool = False
    """The same story to everyone, for benchmarks of clients."""
    log_bodies: bool = False
    """Log lines have the request's `body` too."""
    seed: int = 0
    """Of the faults."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(field.default, tuple):
                value = getattr(self, field.name)
                object.__setattr__(self, field.name, (value,) if isinstance(value, str) else tuple(map(str, value)))
        known = {"flavour": {"openai", "tgi"}, "honours": {"openai", "tgi", "llama.cpp", "none"}, "odd": {*ODDITIES}}
        given = {name: set(getattr(self, name)) for name in ("honours", "odd")} | {"flavour": {self.flavour}}
        given["fail"] = {fault for fault in self.fail if not re.fullmatch("[45][0-9][0-9]", fault)}
        for name, values in given.items():
            if unknown := values - known.get(name, {*FAULTS}):
                raise ValueError(f"{name}: {', '.join(unknown)}")


class Faults:
    """Decides which request fails, and how."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.seen: Counter[bytes] = Counter()
        self.received = 0

    def due(self, question: bytes) -> str:
        """The fault of the next request, from the digest of what is asked; "": none."""
        behaviour = self.behaviour
        self.received += 1
        if not behaviour.fail:
            return ""
        self.seen[question] += 1
        draw = random.Random(f"{behaviour.seed}|{question.hex()}|{self.seen[question]}")
        fails = draw.random() < behaviour.fail_rate or self.received <= behaviour.fail_first
        fault = draw.choice(behaviour.fail) if fails else ""
        # After a third answer without text our providers change the seed, and a run with faults would differ from one without.
        return "" if fault == "empty" and self.seen[question] > 2 else fault

    def headers(self) -> dict[str, str]:
        """When to come back."""
        if self.behaviour.retry_after_ms:
            return {"retry-after-ms": str(self.behaviour.retry_after_ms), "Retry-After": "60"}
        return {"Retry-After": self.behaviour.retry_after} if self.behaviour.retry_after else {}
