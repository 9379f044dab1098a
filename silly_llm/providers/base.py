"""What every LLM provider takes and gives: chat requests in, completions with token counts out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Message = Mapping[str, str]
"""`{"role": "system" | "user" | "assistant", "content": …}`."""


@dataclass(frozen=True)
class ChatRequest:
    """One request to a language model."""

    messages: tuple[Message, ...]
    seed: int = 0
    max_tokens: int = 512
    temperature: float = 1.0
    top_p: float = 1.0
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What the messages were made of (`task`, `words`, `features`, `text` …), for teachers that do not read English."""


@dataclass(frozen=True)
class Completion:
    """One answer."""

    text: str
    finish_reason: str
    """`stop` when the model ended by itself, `length` at the token limit; other values as the server gives them."""
    prompt_tokens: int
    completion_tokens: int
    model: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What the provider knows besides the text, such as a `summary`."""


@dataclass(frozen=True)
class RequestFailed:
    """In the place of an answer: the request could not be answered, after all retries."""

    reason: str
    fatal: bool = False
    """No other request can succeed either (wrong token, unknown model, no server)."""


class LLMProvider(ABC):
    """A teacher: writes text for chat messages."""

    model: str = ""
    """What answers, for provenance."""
    batch_size: int = 1
    """How many requests `complete` likes at once."""
    concurrency: int = 1
    """How many batches it likes to have under way."""
    answers_depend_on_batch: bool = False
    """Rounding differs with the shape of a batch: one with a missing answer is asked again as a whole."""
    uses_fields: bool = False
    """The answer depends on `ChatRequest.fields`, so they belong to the request's fingerprint."""
    parameters: Mapping[str, Any] = MappingProxyType({})
    """Its own generation parameters beside the request's: part of a row's provenance and of the request's fingerprint."""
    free: bool = False
    """Answers are deterministic and cost nothing: they are asked again rather than kept in a journal."""

    @abstractmethod
    async def complete(self, requests: Sequence[ChatRequest]) -> list[Completion | RequestFailed]:
        """Answer `requests`, in their order. A request that fails gives `RequestFailed`; nothing is raised for it."""

    async def aclose(self) -> None:  # noqa: B027 - most providers have nothing to close
        """Release connections and memory."""
