"""The rows of a stories dataset: their columns, how they are made from answers, and which go to validation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from silly_llm.data.filters.base import StoryFilter, Verdict, reasons_against
from silly_llm.data.filters.cleaning import clean
from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.thinking import nothing_said

if TYPE_CHECKING:
    import pyarrow as pa

    from silly_llm.data.generation.components import GenerationComponents
    from silly_llm.data.prompts.base import StoryPrompt


def row_of(
    index: int,
    attempt: int,
    prompt: StoryPrompt,
    request: ChatRequest,
    answer: Completion,
    parts: GenerationComponents,
) -> dict[str, Any]:
    """A row of the dataset (`schema`), still without `rejected_by` and `duplicate_of`."""
    parameters = {"max_tokens": request.max_tokens, "temperature": request.temperature, "top_p": request.top_p}
    parameters |= parts.provider.parameters
    if left_out := answer.extra.get("left_out"):  # the server rejects them
        parameters = {k: v for k, v in parameters.items() if k not in left_out} | {"left_out": left_out}
    prices = parts.provider.prices
    text, cleaned_by = clean(answer.text.strip(), parts.cleaning)
    return {
        "id": f"{index}-{attempt}" if attempt else str(index),
        "text": text,
        "words": list(prompt.words.values()),
        "features": list(prompt.features),
        "summary": answer.extra.get("summary"),
        "prompt": next((m["content"] for m in reversed(prompt.messages) if m["role"] == "user"), ""),
        "template": prompt.template,
        "provider": parts.teacher.name,
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
    """The filters' verdict on a row; one without text is always refused, with the reason why there is none."""
    if row["text"]:
        return reasons_against(row, filters)
    return Verdict([nothing_said(answer) or "cleaning: leaves nothing"], None)


def validates(number: int, share: float) -> bool:
    """Whether the kept story of this number (from 1) goes to validation: exactly the requested share, evenly spread."""
    return int(number * share) > int((number - 1) * share)


def schema() -> pa.Schema:
    """The columns of a stories dataset."""
    import pyarrow as pa

    string, strings, number = pa.string(), pa.list_(pa.string()), pa.int64()
    types = {
        "words": strings, "features": strings, "seed": number, "index": number, "attempt": number, "prompt_tokens": number,
        "completion_tokens": number, "reasoning_tokens": number, "reasoning_estimated": pa.bool_(), "cost": pa.float64(),
        "cleaned_by": strings, "rejected_by": strings,
    }  # fmt: skip
    names = (
        "id text words features summary prompt template provider model seed index attempt parameters finish_reason prompt_tokens "
        "completion_tokens reasoning_tokens reasoning_estimated cost cleaned_by rejected_by duplicate_of"
    )
    return pa.schema([(name, types.get(name, string)) for name in names.split()])
