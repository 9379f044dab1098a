"""How the scripted LLM behaves: its options, each a command line option and a key of POST /scripted/behaviour, and its faults.

Whether a request fails, and how, is drawn from (seed, question, how often it came): the same question's second attempt
fares the same in every run, in whatever order requests arrive. `fail_first` and bursts alone go by the order of arrival.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from email.utils import formatdate
from typing import Any

from scripted_oddities import ODDITIES

FAULTS = {
    "drop": "the connection is closed before any byte of the answer",
    "reset": "the same, by a TCP reset",
    "drop_middle": "it is closed in the middle of the body",
    "truncated": "HTTP 200 and half of the answer's JSON, of the length announced",
    "garbage": "HTTP 200 and what is no JSON",
    "wrong_shape": "HTTP 200 and JSON that is no answer",
    "empty": "HTTP 200 and an answer without text",
    "stall": "the answer, `stall` seconds late",
    "stream_error": "an error inside a stream, after HTTP 200; nothing wrong where none is asked for",
}
"""Besides any HTTP status from 400 to 599."""
AT_THE_DOOR = ("429", "503")
"""Refused at once, without the latency."""


def option(default: Any, help: str) -> Any:
    """A field of `Behaviour`."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Behaviour:
    """The options; 0, "" and () mean none.

    Raises:
        ValueError: a value that makes no sense.
    """

    latency: float = option(0.0, "seconds before an answer")
    model: str = option("scripted", "what the model is called")
    strict_model: bool = option(
        False, "404 for any other name (as vLLM); else only for the name `missing` (as llama.cpp, TGI)"
    )
    flavour: str = option("openai", "whose manners the /v1 API has: openai (vLLM, llama.cpp) or tgi")
    honours: tuple[str, ...] = option(
        ("openai",), "forms of a JSON schema that the /v1 API heeds, others are ignored: openai, tgi, llama.cpp, none"
    )
    json_when_asked: float = option(0.0, "share of the questions that ask for JSON in words alone and get it")
    cheap_answers: bool = option(False, "stories from a store, without the words asked for (benchmarks of clients)")
    max_total_tokens: int = option(4096, "the context: words of prompt and answer")
    capacity: int = option(0, "requests in flight beyond which there is 429 at once, as TGI does; 0: no limit")
    token: str = option("", "refuse requests without this token (401)")
    fail: tuple[str, ...] = option(
        (), f"faults to draw from: HTTP statuses, {', '.join(FAULTS)}; `429:3` weighs three"
    )
    fail_rate: float = option(0.0, "share of requests that fail")
    fail_first: int = option(0, "how many requests fail at first")
    burst_rate: float = option(0.0, "share of requests that begin a burst of 429")
    burst_length: int = option(20, "requests in a burst")
    retry_after_ms: int = option(0, "a retry-after-ms header of failures, which Azure sends beside the other")
    retry_after: tuple[str, ...] = option(
        (), "Retry-After of failures: seconds, an HTTP date, `date:SECONDS` from now, `none`; several: one is drawn"
    )
    stall: float = option(5.0, "seconds that a stalled answer takes longer")
    slow_start: float = option(0.0, "seconds from now in which everything answers 503, as llama.cpp that loads")
    sick: bool = option(False, "everything answers 503, /health too")
    odd: tuple[str, ...] = option((), f"shapes of chat answers to draw from: {', '.join(ODDITIES)}")
    odd_rate: float = option(1.0, "share of the questions that get one, each time they come")
    before: str = option("", "what stands before each answer, such as <think>…</think>")
    refuses: tuple[str, ...] = option((), "parameters of the /v1 API that are refused (400); `system`: that role")
    page: int = option(0, "answer everything with a web page of this HTTP status")
    moved_to: str = option("", "answer everything with 301 and this Location")
    log_bodies: bool = option(False, "log lines have the request's `body` too")
    seed: int = option(0, "of the faults")

    def __post_init__(self) -> None:
        if self.flavour not in ("openai", "tgi"):
            raise ValueError(f"flavour: {self.flavour!r}")
        if unknown := set(self.honours) - {"openai", "tgi", "llama.cpp", "none"}:
            raise ValueError(f"honours: {', '.join(unknown)}")
        if unknown := set(self.odd) - set(ODDITIES):
            raise ValueError(f"odd: {', '.join(unknown)}")
        for name in self.fail:
            kind = name.partition(":")[0]
            if kind not in FAULTS and not re.fullmatch("[45][0-9][0-9]", kind):
                raise ValueError(f"fail: {name!r}")

    def changed(self, values: Mapping[str, Any]) -> Behaviour:
        """A copy with other values, as they come in JSON or from the command line.

        Raises:
            ValueError: an unknown name or a wrong type.
        """
        kinds = {f.name: type(getattr(Behaviour(), f.name)) for f in fields(self)}
        new: dict[str, Any] = {}
        for name, value in values.items():
            if name not in kinds:
                raise ValueError(f"{name}: no such option")
            if kinds[name] is tuple:
                new[name] = tuple(map(str, value if isinstance(value, (list, tuple)) else [value]))
            elif kinds[name] is bool:
                new[name] = value if isinstance(value, bool) else str(value).lower() in ("1", "true", "yes")
            else:
                new[name] = kinds[name](value)
        return replace(self, **new)

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        """Give a command the options; those not given stay away from its namespace."""
        for f in fields(cls):
            shape: dict[str, Any] = {}
            default = getattr(cls(), f.name)
            if isinstance(default, tuple):
                shape = {"nargs": "*"}
            elif isinstance(default, bool):
                shape = {"nargs": "?", "const": "true"}
            about = f.metadata["help"].replace("%", "%%")
            parser.add_argument(
                f"--{f.name}", default=argparse.SUPPRESS, help=f"{about} (default: {default or 'none'})", **shape
            )


class Faults:
    """Decides which request fails, and how."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.seen: Counter[bytes] = Counter()
        self.received = 0
        self.burst_left = 0
        pairs = [name.partition(":")[::2] for name in behaviour.fail]
        self.kinds = [kind for kind, _ in pairs]
        self.weights = [float(weight or 1) for _, weight in pairs]
        self.idle = not (behaviour.burst_rate or behaviour.fail)

    def due(self, question: bytes) -> tuple[str, dict[str, str]] | None:
        """The fault of the next request and its headers, from the digest of what is asked."""
        self.received += 1
        if self.idle:
            return None
        self.seen[question] += 1
        draw = random.Random(f"{self.behaviour.seed}|{question.hex()}|{self.seen[question]}")
        burst, fail = draw.random() < self.behaviour.burst_rate, draw.random() < self.behaviour.fail_rate
        if self.burst_left:
            self.burst_left -= 1
            return "429", self.headers(draw)
        if burst:
            self.burst_left = self.behaviour.burst_length - 1
            return "429", self.headers(draw)
        if self.kinds and (fail or self.received <= self.behaviour.fail_first):
            return draw.choices(self.kinds, self.weights)[0], self.headers(draw)
        return None

    def headers(self, draw: random.Random) -> dict[str, str]:
        """Retry-After in one of its forms."""
        if self.behaviour.retry_after_ms:
            return {"retry-after-ms": str(self.behaviour.retry_after_ms), "Retry-After": "60"}
        value = draw.choice(self.behaviour.retry_after or ("none",))
        if value == "none":
            return {}
        if value.startswith("date:"):
            value = formatdate(time.time() + float(value[5:]), usegmt=True)
        return {"Retry-After": value}
