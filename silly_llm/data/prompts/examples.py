"""Examples before a request (k-shot): stories of a file as turns of the conversation, drawn for each request."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.data.vocabulary.lists import PARTS_OF_SPEECH
from silly_llm.providers.base import Message

Ask = Callable[[Mapping[str, str], Sequence[str]], str]
"""The request for words by slot and features by name."""
MOST = 10_000
"""Examples that are held in memory; a larger file gives its first ones."""


class Examples:
    """Stories to show to a teacher.

    Args:
        source: any data source with `text` and either `prompt` or `words` (a mapping by slot, or a list in the order of `slots`;
            `features` where it has them); `None` for none.
        count: how many are shown with each request.
        slots: the names of a request's words, in the order of a list of `words`.

    Raises:
        RecipeError: the source is missing or empty, has no `text`, or has nothing to ask for its stories with.
    """

    def __init__(self, source: Any, count: int, slots: Sequence[str] = tuple(PARTS_OF_SPEECH)) -> None:
        self.count, self.slots = count, tuple(slots)
        self.examples: list[Mapping[str, Any]] = []
        if source is None or not count:
            return
        from silly_llm.data.sources import load_records, require_text

        records = load_records(source, split=("train", "validation"))
        require_text(records, "text")
        if not {"prompt", "words"} & set(records.column_names):
            raise RecipeError(f"examples: {source}: needs a column 'prompt' or 'words', to ask for its stories with")
        first = records.select(range(min(MOST, len(records))))
        self.examples = [dict(record) for record in first if (record["text"] or "").strip()]
        if len(self.examples) < count:
            raise RecipeError(f"num_examples: {count} is more than the {len(self.examples)} examples of {source}")

    def turns(self, draw: random.Random, ask: Ask) -> tuple[Message, ...]:
        """User and assistant turns of examples that `draw` chooses, asked for as `ask` says of their words and features."""
        if not self.examples:
            return ()
        messages: list[Message] = []
        for example in draw.sample(self.examples, self.count):
            messages.append({"role": "user", "content": self.request_of(example, ask)})
            messages.append({"role": "assistant", "content": example["text"]})
        return tuple(messages)

    def request_of(self, example: Mapping[str, Any], ask: Ask) -> str:
        """What would have asked for an example: `ask` from its words, else its own prompt."""
        words = example.get("words")
        if words:
            given = words if isinstance(words, Mapping) else dict(zip(self.slots, words, strict=False))
            if all(given.get(slot) for slot in self.slots):
                return ask(given, tuple(example.get("features") or ()))
        if example.get("prompt"):
            return str(example["prompt"])
        raise RecipeError(f"examples: an example has neither a prompt nor {', '.join(self.slots)} in 'words'")
