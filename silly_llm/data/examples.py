"""Examples before a request (k-shot): stories of a file as turns of the conversation, drawn for each request."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from silly_llm.data.templates import render
from silly_llm.data.words import PARTS_OF_SPEECH
from silly_llm.errors import RecipeError
from silly_llm.providers.base import Message
from silly_llm.text.features import FEATURES

MOST = 10_000
"""Examples that are held in memory; a larger file gives its first ones."""


class Examples:
    """Stories to show to a teacher.

    Args:
        source: any data source with `text` and either `prompt` or `words` (a mapping by part of speech, or noun, verb and
            adjective in this order; `features` where it has them); `None` for none.
        count: how many are shown with each request.

    Raises:
        RecipeError: the source is missing or empty, has no `text`, or has nothing to ask for its stories with.
    """

    def __init__(self, source: Any, count: int) -> None:
        self.count = count
        self.examples: list[Mapping[str, Any]] = []
        if source is None or not count:
            return
        from silly_llm.data.sources import load_records

        records = load_records(source, split=("train", "validation"))
        if "text" not in records.column_names:
            raise RecipeError(
                f"examples: {source}: has no column 'text' (has: {', '.join(records.column_names)})"
            )
        if not {"prompt", "words"} & set(records.column_names):
            raise RecipeError(
                f"examples: {source}: needs a column 'prompt' or 'words', to ask for its stories with"
            )
        self.examples = [dict(record) for record in records.select(range(min(MOST, len(records))))]
        if len(self.examples) < count:
            raise RecipeError(
                f"num_examples: {count} is more than the {len(self.examples)} examples of {source}"
            )

    def turns(self, draw: random.Random, template: Any) -> tuple[Message, ...]:
        """User and assistant turns of examples that `draw` chooses, asked for with the request's own template."""
        if not self.examples:
            return ()
        messages: list[Message] = []
        for example in draw.sample(self.examples, self.count):
            messages.append({"role": "user", "content": request_of(example, template)})
            messages.append({"role": "assistant", "content": example["text"]})
        return tuple(messages)


def request_of(example: Mapping[str, Any], template: Any) -> str:
    """What would have asked for an example: by the template from its words, else its own prompt."""
    words = example.get("words")
    if words:
        given = words if isinstance(words, Mapping) else dict(zip(PARTS_OF_SPEECH, words, strict=False))
        if all(given.get(pos) for pos in PARTS_OF_SPEECH):
            features = tuple(name for name in example.get("features") or () if name in FEATURES)
            return render(template, given, features)
    if example.get("prompt"):
        return str(example["prompt"])
    raise RecipeError(
        "examples: an example has neither a prompt nor a noun, a verb and an adjective in 'words'"
    )
