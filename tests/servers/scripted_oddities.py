"""Answers in shapes that servers and gateways were seen to give: each a function of the body of a right one.

Which question gets which is drawn from its digest, seed included, so it gets the same each time it comes.
"""

import random
from collections.abc import Callable
from typing import Any

Body = dict[str, Any]


def content(change: Callable[[str], Any]) -> Callable[[Body], None]:
    """An oddity of the content alone."""
    return lambda body: message(content=change(body["choices"][0]["message"]["content"]))(body)


def message(**more: Any) -> Callable[[Body], None]:
    """An oddity of the message."""
    return lambda body: body["choices"][0]["message"].update(more)


def choice(**more: Any) -> Callable[[Body], None]:
    return lambda body: body["choices"][0].update(more)


def top(**more: Any) -> Callable[[Body], None]:
    """An oddity of the body."""
    return lambda body: body.update(more)


def part(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def thought_apart(body: Body) -> None:
    message(reasoning_content="The user wants a story. " * 5)(body)
    body["usage"]["completion_tokens_details"] = {"reasoning_tokens": 25}


READABLE: dict[str, Callable[[Body], Any]] = {
    "parts": content(lambda text: [part(text[:20]), part(text[20:])]),
    "thinking_parts": content(lambda text: [{"type": "thinking", "thinking": [part("Let me see.")]}, part(text)]),
    "one_part": content(part),
    "surrogate": content(lambda text: text[:30] + "\ud83d" + text[30:]),
    "nul": content(lambda text: text[:30] + "\x00" + text[30:]),
    "zero_width": content(lambda text: text[:30] + "\u200b\ufeff" + text[30:]),
    "thought": content(lambda text: f"<think>\nA story, then.\n</think>\n\n{text}"),
    "thought_apart": thought_apart,
    "no_usage": lambda body: body.pop("usage"),
    "odd_usage": top(usage={"prompt_tokens": "12", "completion_tokens": [3], "completion_tokens_details": 7}),
    "usage_list": top(usage=[1, 2]),
    "odd_model": top(model={"name": "x"}),
}
UNREADABLE: dict[str, Callable[[Body], Any]] = {
    "null": message(content=None),
    "number": message(content=42),
    "object": content(lambda text: {"story": {"of": text}}),
    "odd_parts": message(content=[1, None, {"type": "image_url", "image_url": {"url": "x"}}]),
    "cut_in_thought": choice(message={"content": None, "reasoning_content": "I must"}, finish_reason="length"),
    "unclosed": message(content="<think>A story about"),
    "tool_calls": message(content=None, tool_calls=[{"id": "1", "type": "function"}]),
    "refusal": message(content=None, refusal="I'm sorry."),
    "no_choices": top(choices=[]),
    "null_choices": top(choices=None),
    "null_choice": top(choices=[None]),
    "no_message": top(choices=[{"index": 0}]),
    "number_message": choice(message=5),
}
ODDITIES = READABLE | UNREADABLE


def make_odd(body: Body, kinds: tuple[str, ...], rate: float, digest: bytes) -> None:
    """Give an answer one of the kinds, for a share of the questions."""
    draw = random.Random(f"odd|{digest.hex()}")
    if draw.random() < rate:
        ODDITIES[draw.choice(kinds)](body)
