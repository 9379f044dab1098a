"""What every LLM provider takes and gives: chat requests in, completions with token counts out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from silly_llm.core.errors import RecipeError

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
    schema: Mapping[str, Any] | None = None
    """JSON schema of the answer, for providers that are `structured`; what they give is valid under it."""


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


UNCOUNTED = "the teacher counts no tokens: max_cost and max_tokens_total take two characters of its texts for one"


@dataclass(frozen=True)
class RequestFailed:
    """In the place of an answer: the request could not be answered, after all retries."""

    reason: str
    fatal: bool = False
    """No other request can succeed either (wrong token, unknown model, no server)."""
    invalid: bool = False
    """There was an answer, which says nothing or is not valid under the schema."""


@dataclass(frozen=True)
class Prices:
    """What tokens cost, per million, in the currency of the bill."""

    prompt: float = 0.0
    completion: float = 0.0

    def __post_init__(self) -> None:
        if min(self.prompt, self.completion) < 0:
            raise RecipeError("price_per_million: must not be negative")

    @classmethod
    def of(cls, price_per_million: Mapping[str, float]) -> Prices | None:
        """From a recipe's `price_per_million`; `None` when it names no prices."""
        return cls(**price_per_million) if price_per_million else None

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class LLMProvider(ABC):
    """A teacher: writes text for chat messages."""

    model: str = ""
    """What answers, for provenance."""
    batch_size: int = 1
    """How many requests `complete` likes at once."""
    concurrency: int = 1
    """How many batches it prefers to have in flight."""
    answers_depend_on_batch: bool = False
    """Rounding differs with the shape of a batch: one with a missing answer is asked again as a whole."""
    uses_fields: bool = False
    """The answer depends on `ChatRequest.fields`, so they belong to the request's fingerprint."""
    parameters: Mapping[str, Any] = MappingProxyType({})
    """Its own generation parameters beside the request's: part of a row's provenance and of the request's fingerprint."""
    prices: Prices | None = None
    """What its tokens cost, where the recipe says so."""
    structured: bool = False
    """It takes `ChatRequest.schema`."""
    free: bool = False
    """Answers are deterministic and cost nothing: they are asked again rather than kept in a journal."""
    in_flight: tuple[int, int] = (0, 0)
    """How many requests are in flight, and how many may be at this time; (0, 0) where that is not known."""

    async def prepare(self) -> None:  # noqa: B027 - most providers know all they need
        """Find out what must be known before anything is asked, such as the model behind an address.

        Raises:
            RunError: it cannot be found out.
        """

    @abstractmethod
    async def complete(self, requests: Sequence[ChatRequest]) -> list[Completion | RequestFailed]:
        """Answer `requests`, in their order. A request that fails gives `RequestFailed`; nothing is raised for it."""

    async def aclose(self) -> None:  # noqa: B027 - most providers have nothing to close
        """Release connections and memory."""
