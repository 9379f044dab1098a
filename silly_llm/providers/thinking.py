"""What an answer says besides its thinking, how many tokens the thinking took, and why nothing is left where nothing is."""

from __future__ import annotations

from dataclasses import replace

from silly_llm.providers.base import Completion
from silly_llm.text.thinking import split_thinking

CHARACTERS_PER_TOKEN = 4.0
"""For an estimate without any count."""
SWITCH_OFF = "raise max_tokens, or switch the thinking off: provider: {thinking: false}"


def without_thinking(answer: Completion) -> Completion:
    """The answer without its thinking, whose tokens are in `extra`: `reasoning_tokens`, and `reasoning_estimated` if the server did not count them."""
    found = split_thinking(answer.text, cut=answer.finish_reason == "length")
    if found is None:
        return answer
    extra = {**answer.extra}
    if "reasoning_tokens" not in extra:
        extra |= estimated(found.thinking, found.text, answer.completion_tokens)
    return replace(answer, text=found.text, extra=extra)


def estimated(thinking: str, text: str, completion_tokens: int) -> dict[str, int | bool]:
    """The tokens of thinking, by its share of the characters of an answer."""
    if completion_tokens:
        tokens = round(completion_tokens * len(thinking) / max(1, len(thinking) + len(text)))
    else:
        tokens = round(len(thinking) / CHARACTERS_PER_TOKEN)
    return {"reasoning_tokens": tokens, "reasoning_estimated": True}


def nothing_said(answer: Completion) -> str | None:
    """Why an answer (without its thinking) says nothing, as `NAME: REASON`; `None` where it says something."""
    if answer.text.strip():
        return None
    if unusable := answer.extra.get("unusable"):
        return f"answer: {unusable}"
    if "reasoning_tokens" in answer.extra:
        return f"thinking: {'used up max_tokens' if answer.finish_reason == 'length' else 'has no answer behind it'}"
    return f"answer: empty, ended by {answer.finish_reason!r}"
