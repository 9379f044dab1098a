"""The conversations that a tuning reads."""

from __future__ import annotations

from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.data.rows import called

ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant"}
"""The roles of ShareGPT (`conversations`, with `from` and `value`), as chat templates name them."""


def read_conversations(source: Any, split: str) -> Any:
    """The rows of a split with the columns that TRL reads: `prompt` and `completion`, else `messages`; a RecipeError if there are
    none, or a row is no conversation."""
    dataset = source.load(split)
    for columns in (["prompt", "completion"], ["messages"], ["conversations"]):
        if set(columns) <= set(dataset.column_names):
            break
    else:
        found = ", ".join(dataset.column_names)
        raise RecipeError(f"dataset: needs the columns 'prompt' and 'completion', or 'messages'; it has {found}")
    dataset = dataset.select_columns(columns)
    if columns == ["conversations"]:
        dataset = dataset.map(_as_messages, remove_columns=columns)
    for number, row in enumerate(dataset, 1):
        if what := _wrong(row):
            raise RecipeError(f"dataset: row {number} of {split}: {what}")
    return dataset


def _as_messages(row: dict[str, Any]) -> dict[str, Any]:
    turns = row["conversations"]
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return {"messages": turns}
    said = [(turn.get("from") or turn.get("role"), turn.get("value") or turn.get("content")) for turn in turns]
    return {"messages": [{"role": ROLES.get(role, role), "content": content} for role, content in said]}


def _wrong(row: dict[str, Any]) -> str | None:
    """Why a row has nothing to learn from; `None` for a conversation, or a prompt and a completion that are texts."""
    others = {column: value for column, value in row.items() if not isinstance(value, str)}
    if not others and "prompt" in row:
        return None
    for column, turns in others.items():
        if not isinstance(turns, list):
            return f"{column!r} is {called(turns)}, not {'text' if 'prompt' in row else 'a list of turns'}"
        for turn in turns:
            if not isinstance(turn, dict) or not isinstance(turn.get("role"), str):
                return f"{column!r} has a turn without a role"
            if not isinstance(content := turn.get("content"), str) and not turn.get("tool_calls"):
                return f"{column!r}: 'content' is {called(content)}, not text"
    if text := next((column for column in row if column not in others), None):
        return f"{text!r} is a text, not a list of turns"
    roles = sorted({turn["role"] for turns in row.values() for turn in turns})
    return None if "assistant" in roles else f"no assistant turn, only turns of {', '.join(roles) or 'nobody'}"


def answers_of(conversations: Any, count: int = 50) -> list[str]:
    """The answers of the first conversations; a card tells their language."""
    rows = conversations.select(range(min(count, len(conversations))))
    answers = [row.get("completion") or row.get("messages") or () for row in rows]
    turns = [turn for answer in answers if not isinstance(answer, str) for turn in answer]
    spoken = [turn["content"] for turn in turns if turn.get("role") == "assistant"]
    return spoken + [answer for answer in answers if isinstance(answer, str)]
