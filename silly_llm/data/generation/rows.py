"""The rows of a stories dataset: their columns, how an answer becomes one, and which of them validate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from silly_llm.data.filters.base import StoryFilter, Verdict, reasons_against
from silly_llm.data.filters.cleaning import Cleaning, clean
from silly_llm.providers.base import ChatRequest, Completion, Prices
from silly_llm.providers.thinking import nothing_said

if TYPE_CHECKING:
    import pyarrow as pa

    from silly_llm.data.prompts.base import StoryPrompt


@dataclass(frozen=True)
class Teacher:
    """What a row says of who wrote it."""

    provider: str
    """The provider's name."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Its own generation parameters beside the request's."""
    prices: Prices | None = None
    cleaning: Cleaning = ()
    """What is done to a text before the filters see it."""


def row_of(
    index: int, attempt: int, prompt: StoryPrompt, request: ChatRequest, answer: Completion, teacher: Teacher
) -> dict[str, Any]:
    """A row of the dataset (`schema`), still without `rejected_by` and `duplicate_of`."""
    parameters = {"max_tokens": request.max_tokens, "temperature": request.temperature, "top_p": request.top_p}
    parameters |= teacher.parameters
    if left_out := answer.extra.get("left_out"):  # the server does not take them
        parameters = {k: v for k, v in parameters.items() if k not in left_out} | {"left_out": left_out}
    prices = teacher.prices
    text, cleaned_by = clean(answer.text.strip(), teacher.cleaning)
    return {
        "id": f"{index}-{attempt}" if attempt else str(index),
        "text": text,
        "words": list(prompt.words.values()),
        "features": list(prompt.features),
        "summary": answer.extra.get("summary"),
        "prompt": next((m["content"] for m in reversed(prompt.messages) if m["role"] == "user"), ""),
        "template": prompt.template,
        "provider": teacher.provider,
        "model": answer.model,
        "seed": answer.extra.get("seed", request.seed),
        "index": index,
        "attempt": attempt,
        "parameters": json.dumps(parameters, sort_keys=True),
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "reasoning_tokens": answer.extra.get("reasoning_tokens"),
        "reasoning_estimated": answer.extra.get("reasoning_estimated"),
        "cost": prices.cost(answer.prompt_tokens, answer.completion_tokens) if prices else None,
        "cleaned_by": [*answer.extra.get("cleaned", ()), *cleaned_by],
    }


def verdict_on(row: Mapping[str, Any], answer: Completion, filters: Sequence[tuple[str, StoryFilter]]) -> Verdict:
    """What filters say of a row; one without text is refused whatever they are, with the reason why there is none."""
    if row["text"]:
        return reasons_against(row, filters)
    return Verdict([nothing_said(answer) or "cleaning: leaves nothing"], None)


def schema() -> pa.Schema:
    """The columns of a stories dataset."""
    import pyarrow as pa

    strings = pa.list_(pa.string())
    return pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("words", strings),
            ("features", strings),
            ("summary", pa.string()),
            ("prompt", pa.string()),
            ("template", pa.string()),
            ("provider", pa.string()),
            ("model", pa.string()),
            ("seed", pa.int64()),
            ("index", pa.int64()),
            ("attempt", pa.int64()),
            ("parameters", pa.string()),
            ("finish_reason", pa.string()),
            ("prompt_tokens", pa.int64()),
            ("completion_tokens", pa.int64()),
            ("reasoning_tokens", pa.int64()),
            ("reasoning_estimated", pa.bool_()),
            ("cost", pa.float64()),
            ("cleaned_by", strings),
            ("rejected_by", strings),
            ("duplicate_of", pa.string()),
        ]
    )


class ValidationShare:
    """Says of every kept story whether it goes to validation: exactly the share, evenly spread."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.kept = 0

    def next(self) -> bool:
        self.kept += 1
        return int(self.kept * self.share) > int((self.kept - 1) * self.share)
