"""Thinking in a text: what reasoning models write before or between the requested text, under various markers.

Servers with a reasoning parser send it separately; otherwise, or if the parser misses it, it is part of the text. Each family
below is emitted by some model (according to the parsers of vLLM and SGLang and the models' templates). Often only the closing
marker is present, since the chat template has put the opening one into the prompt.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NAMED = r"(?:think(?:ing)?|thoughts?|reasoning)"
TAGS = {
    "think": r"antthinking|(?:\w+_)?think(?:ing)?(?:_\w+)?|thoughts?|thought_process|cot|chain_of_thought",  # most models
    "reason": "reason(?:ing)?(?:_content)?",
    "reflection": "reflection",  # Reflection
    "scratchpad": "scratchpad",
    "monologue": "(?:inner|internal)_(?:monologue|thoughts?)",
    "analysis": "analysis",
}
LT, GT = "(?:<|&lt;)", "(?:>|&gt;)"
FAMILIES = {
    **{
        f: (rf"{LT}(?:\w+[:|])?(?:{t})(?::\w+)?(?:\s[^<>]*)?{GT}", rf"{LT}/\s*(?:\w+[:|])?(?:{t})(?::\w+)?\s*{GT}")
        for f, t in TAGS.items()
    },
    "bracket": (r"\[(?-i:THINK(?:ING)?|REASONING|unused16)\]", r"\[(?-i:/THINK(?:ING)?|/REASONING|unused17)\]"),
    "triangle": (r"◁think(?:ing)?▷", r"◁/think(?:ing)?▷"),  # Kimi
    "special": (  # Sky-T1, OpenThinker, Command A, Solar, PLaMo
        rf"<\|(?:plamo:)?(?:(?:begin|start)(?:_of)?_)?{NAMED}(?:[_:](?:begin|start))?(?::plamo)?\|>",
        rf"<\|(?:plamo:)?(?:(?:/|end(?:_of)?_){NAMED}|{NAMED}[_:]end)(?::plamo)?\|>|<\|end\|><\|begin\|>assistant<\|content\|>",
    ),
    "inner": (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),  # Apertus
    "channel": (r"<\|channel>(?:\s*thought\b)?", r"<channel\|>"),  # Gemma 4
    "unused": (r"<unused94>(?:\s*thought\b)?", r"<unused95>"),  # MedGemma
}
"""Opening and closing markers, by family."""
CLOSERS = {family: re.compile(close, re.IGNORECASE) for family, (_, close) in FAMILIES.items()}
MARKER = re.compile("|".join(f"(?P<{f}_o>{o})|(?P<{f}_c>{c})" for f, (o, c) in FAMILIES.items()), re.IGNORECASE)
SAID_FIRST = ("Here", "analysis", "Thinking", "```")
PREAMBLES = (
    re.compile(  # Granite 3.2
        r"\s*Here(?:['’]s| is) my thought process:(?P<thinking>.*?)(?:Here(?:['’]s| is) my response:(?P<answer>.*))?\Z",
        re.DOTALL,
    ),
    re.compile(  # gpt-oss, when the server removes its special tokens
        r"\s*analysis(?P<thinking>.*?)assistant\s?(?:commentary.*?assistant\s?)?final(?P<answer>.*)\Z", re.DOTALL
    ),
    re.compile(r"\s*Thinking\.\.\.\s*\n(?P<thinking>.*?)\n\.\.\.done thinking\.(?P<answer>.*)\Z", re.DOTALL),  # Ollama
    re.compile(  # Open WebUI; a fence
        r"\s*(?:(?P<html><details[^<>]*reasoning[^<>]*>)|```(?:thinking|reasoning)\n)(?P<thinking>.*?)"
        r"(?:(?(html)</details>|\n```)(?P<answer>.*))?\Z",
        re.DOTALL,
    ),
)
"""Phrases instead of markers, at the beginning of an answer."""
CUT_PREAMBLE = re.compile(r"\s*(?:analysis(?=[A-Z])|Thinking\.\.\.\s*\n)")
"""A phrase that begins thinking which was cut off."""
HARMONY = re.compile(
    r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*(?P<channel>analysis|commentary|final)(?:\s+to=\S+?)?"
    r"\s*(?:<\|constrain\|>\s*\w+\s*)?(?:<\|message\|>)?(?P<said>.*?)(?:<\|(?:end|return|call)\|>|(?=<\|(?:start|channel)\|>)|\Z)",
    re.DOTALL,
)
"""A message of gpt-oss: its channel and its content."""
AROUND = r"(?:final_)?(?:answer|output|response|solution)"
ANSWER_OPENS = re.compile(
    rf"\s*(?:<{AROUND}>|<\|(?:begin_of_solution|START_RESPONSE|START_TEXT)\|>)\s*", re.IGNORECASE
)
ANSWER_CLOSES = re.compile(rf"\s*(?:</{AROUND}>|<\|(?:end_of_solution|END_RESPONSE|END_TEXT)\|>)\s*\Z", re.IGNORECASE)
QUOTES = "\"'“”‘’«»`"


class Split(NamedTuple):
    """A text without its thinking."""

    text: str
    thinking: str
    unfinished: bool
    """Whether there is nothing but unfinished thinking."""


def split_thinking(text: str, *, cut: bool = False) -> Split | None:
    """Separate the thinking from an answer; `None` if there is none.

    A marker in prose is kept: one in quotes, or an opening one within a line that is never closed.

    Args:
        text: the model's answer.
        cut: whether it was cut at the token limit.
    """
    marked = "<" in text or "[" in text or "◁" in text or "&lt;" in text  # every marker contains one of them
    if not marked and not text[:40].lstrip().startswith(SAID_FIRST):
        return None
    for preamble in PREAMBLES:
        if found := preamble.match(text):
            return _split(found["answer"] or "", [found["thinking"]], unfinished=found["answer"] is None)
    if cut and (found := CUT_PREAMBLE.match(text)):
        return _split("", [text[found.end() :]], unfinished=True)
    if "<|channel|>" in text:
        messages = [(m["channel"] == "final", m["said"]) for m in HARMONY.finditer(text)]
        answer, thinking = ([said for final, said in messages if final is wanted] for wanted in (True, False))
        return _split("".join(answer), thinking, unfinished=not answer) if messages else None
    return _blocks(text, cut=cut)


def _blocks(text: str, *, cut: bool) -> Split | None:
    kept: list[str] = []
    thinking: list[str] = []
    open_families: list[str] = []
    position = 0
    for marker in MARKER.finditer(text):
        family, kind = str(marker.lastgroup).rsplit("_", 1)
        start, end = marker.span()
        after = text[end : end + 2].lstrip(".,!?")[:1]
        if start and after and text[start - 1] in QUOTES and after in QUOTES:
            continue
        before = "".join(kept) + text[position:start]
        if kind == "o" and family not in open_families:
            if CLOSERS[family].search(text, end):
                if not open_families:
                    kept, position = [before], end
                open_families.append(family)
            elif not open_families:
                begins_line = not text[:start].rpartition("\n")[2].strip()
                if not before.strip() or (cut and begins_line):
                    return _split(before, [*thinking, text[end:]], unfinished=not before.strip())
        elif kind == "c" and family in open_families:
            del open_families[open_families.index(family) :]
            if not open_families:
                thinking.append(text[position:start])
                position = end
        elif kind == "c" and not open_families:  # opened in the prompt
            stray = thinking and not text[end:].strip()
            kept, position = ([before] if stray else []), end
            if not stray:
                thinking.append(before)
    if not thinking and not position:
        return None
    return _split("".join(kept) + text[position:], thinking, unfinished=False)


def _split(answer: str, thinking: list[str], *, unfinished: bool) -> Split:
    opened = ANSWER_OPENS.match(answer)
    answer = ANSWER_CLOSES.sub("", answer[opened.end() :] if opened else answer).strip()
    return Split(answer, "".join(thinking).strip(), unfinished and not answer)
