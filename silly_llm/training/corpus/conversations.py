"""The conversations that a tuning reads."""

from __future__ import annotations

from typing import Any

from silly_llm.core.errors import RecipeError


def read_conversations(source: Any, split: str) -> Any:
    """The rows of a split with the columns that TRL reads: `prompt` and `completion`, else `messages`; a RecipeError without."""
    dataset = source.load(split)
    for columns in (["prompt", "completion"], ["messages"], ["conversations"]):
        if set(columns) <= set(dataset.column_names):
            return dataset.select_columns(columns)
    found = ", ".join(dataset.column_names)
    raise RecipeError(f"dataset: needs the columns 'prompt' and 'completion', or 'messages'; it has {found}")


def answers_of(conversations: Any, count: int = 50) -> list[str]:
    """The answers of the first conversations; a card tells their language."""
    rows = conversations.select(range(min(count, len(conversations))))
    answers = [row.get("completion") or row.get("messages") or () for row in rows]
    turns = [turn for answer in answers if not isinstance(answer, str) for turn in answer]
    spoken = [turn["content"] for turn in turns if turn.get("role") == "assistant"]
    return spoken + [answer for answer in answers if isinstance(answer, str)]
