"""Answers under a JSON schema: the forms in which servers take one, and the check of what comes back.

Servers ignore silently a form that they do not know (TGI's form on vLLM and llama-cpp-python), so no form is trusted: each
answer is validated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.server.errors import RequestError
from silly_llm.providers.thinking import without_thinking

RESPONSE_FORMATS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any] | None]] = {
    "openai": lambda schema: {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
    },
    "llama.cpp": lambda schema: {"type": "json_object", "schema": dict(schema)},
    "tgi": lambda schema: {"type": "json", "value": dict(schema)},
    "prompt": lambda schema: None,
}
"""The `response_format` that carries a schema: OpenAI's and vLLM's, llama-cpp-python's, TGI's, and none, the schema only in words."""
INSTRUCTION = "Answer with JSON alone, valid under this JSON schema: {schema}"


@dataclass(eq=False)
class InvalidAnswer(RequestError):
    """What came back says nothing, is not JSON, or not valid under the schema."""

    completion: Completion | None = None
    """What to keep as the answer if asking again does not help."""


def with_instruction(request: ChatRequest) -> ChatRequest:
    """The same request with the schema said in words, for servers that take none."""
    *before, last = request.messages
    said = INSTRUCTION.format(schema=json.dumps(request.schema))
    return replace(request, messages=(*before, {**last, "content": f"{last['content']}\n\n{said}"}))


def validated(completion: Completion, schema: Mapping[str, Any]) -> Completion:
    """The answer as plain JSON text, thinking before it and a code fence around it taken off.

    Raises:
        InvalidAnswer: it is not JSON, or not valid under `schema`.
    """
    import jsonschema

    completion = without_thinking(completion)
    text = re.sub(r"^\s*```(?:json)?\s*|\s*```\s*$", "", completion.text.strip())
    try:
        jsonschema.validate(json.loads(text), schema)
    except ValueError:
        thinking = ", which the thinking used up" if "reasoning_tokens" in completion.extra else ""
        cut = f" (cut at the token limit{thinking})" if completion.finish_reason == "length" else ""
        raise InvalidAnswer(f"the answer is not JSON{cut}") from None
    except jsonschema.ValidationError as error:
        raise InvalidAnswer(f"the answer is not valid under the schema: {error.message[:100]}") from None
    return replace(completion, text=text)
