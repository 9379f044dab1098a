"""Thinking in a text: what reasoning models write before, or between, what they were asked for, under whatever markers.

Servers with a reasoning parser send it apart; without one, or where the parser misses, it stands in the text. Each family below
is what some model emits (vLLM's and SGLang's parsers and the models' templates say so). Often only the closing marker is there,
since the chat template has put the opening one into the prompt.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TAGS = {
    "think": "antthinking|think(?:ing)?|thoughts?|thought_process",  # Qwen, DeepSeek, GLM, seed:think, mm:think, Marco-o1
    "reason": "reason(?:ing)?(?:_content)?",
    "reflection": "reflection",  # Reflection
    "scratchpad": "scratchpad",
    "monologue": "inner_(?:monologue|thoughts?)",
    "analysis": "analysis",
}
NAMED = r"(?:think(?:ing)?|thoughts?|reasoning)"
FAMILIES = {
    **{
        family: (
            rf"(?:<|&lt;)(?:\w+:)?(?:{words})(?:\s[^<>]*)?(?:>|&gt;)",
            rf"(?:<|&lt;)/\s*(?:\w+:)?(?:{words})\s*(?:>|&gt;)",
        )
        for family, words in TAGS.items()
    },
    "bracket": (r"\[(?-i:THINK(?:ING)?|REASONING)\]", r"\[/(?-i:THINK(?:ING)?|REASONING)\]"),  # Magistral
    "triangle": (r"◁think(?:ing)?▷", r"◁/think(?:ing)?▷"),  # Kimi
    "special": (  # Sky-T1, OpenThinker, Command A, Solar
        rf"<\|(?:(?:begin|start)(?:_of)?_)?{NAMED}(?:[_:](?:begin|start))?\|>",
        rf"<\|(?:(?:/|end(?:_of)?_){NAMED}|{NAMED}[_:]end)\|>",
    ),
    "inner": (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),  # Apertus
    "channel": (r"<\|channel>(?:\s*thought\b)?", r"<channel\|>"),  # Gemma 4
    "unused": (r"<unused94>(?:\s*thought\b)?", r"<unused95>"),  # MedGemma
}
"""How thinking begins and ends, by family."""
CLOSERS = {family: re.compile(close, re.IGNORECASE) for family, (_, close) in FAMILIES.items()}
MARKER = re.compile(
    "|".join(f"(?P<{name}_o>{opens})|(?P<{name}_c>{closes})" for name, (opens, closes) in FAMILIES.items()),
    re.IGNORECASE,
)
SAID_FIRST = ("Here", "analysis", "Thinking")
PREAMBLES = (
    re.compile(  # Granite 3.2
        r"\s*Here(?:['’]s| is) my thought process:(?P<thinking>.*?)(?:Here(?:['’]s| is) my response:(?P<answer>.*))?\Z",
        re.DOTALL,
    ),
    re.compile(  # gpt-oss, its special tokens left out by the server
        r"\s*analysis(?P<thinking>.*?)assistant\s?(?:commentary.*?assistant\s?)?final(?P<answer>.*)\Z", re.DOTALL
    ),
    re.compile(r"\s*Thinking\.\.\.\s*\n(?P<thinking>.*?)\n\.\.\.done thinking\.(?P<answer>.*)\Z", re.DOTALL),  # Ollama
)
"""Words, in the place of markers, with which a whole answer begins."""
CUT_PREAMBLE = re.compile(r"\s*(?:analysis(?=[A-Z])|Thinking\.\.\.\s*\n)")
"""With such words begins thinking that was cut off."""
HARMONY = re.compile(
    r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*(?P<channel>analysis|commentary|final)(?:\s+to=\S+?)?"
    r"\s*(?:<\|constrain\|>\s*\w+\s*)?(?:<\|message\|>)?(?P<said>.*?)(?:<\|(?:end|return|call)\|>|(?=<\|(?:start|channel)\|>)|\Z)",
    re.DOTALL,
)
"""A message of gpt-oss: its channel and what was said there."""
ANSWER_OPENS = re.compile(
    r"\s*(?:<(?:final_)?(?:answer|output|response|solution)>|<\|(?:begin_of_solution|START_RESPONSE|START_TEXT)\|>)\s*",
    re.IGNORECASE,
)
ANSWER_CLOSES = re.compile(
    r"\s*(?:</(?:final_)?(?:answer|output|response|solution)>|<\|(?:end_of_solution|END_RESPONSE|END_TEXT)\|>)\s*\Z",
    re.IGNORECASE,
)
QUOTES = "\"'“”‘’«»`"


class Split(NamedTuple):
    """A text without its thinking."""

    text: str
    thinking: str
    unfinished: bool
    """It has nothing but thinking that never ended."""


def split_thinking(text: str, *, cut: bool = False) -> Split | None:
    """Take the thinking out of an answer; `None` where there is none.

    A marker in prose stays: one in quotes, or an opening one within a line that nothing closes.

    Args:
        text: what the model said.
        cut: it was cut at the token limit.
    """
    marked = "<" in text or "[" in text or "◁" in text or "&lt;" in text  # every marker has one of them
    if not marked and not text[:40].lstrip().startswith(SAID_FIRST):
        return None
    for preamble in PREAMBLES:
        if found := preamble.match(text):
            return _split(found["answer"] or "", [found["thinking"]], unfinished=found["answer"] is None)
    if cut and (found := CUT_PREAMBLE.match(text)):
        return _split("", [text[found.end() :]], unfinished=True)
    if "<|channel|>" in text:
        return _harmony(text)
    return _blocks(text, cut=cut)


def _harmony(text: str) -> Split | None:
    messages = list(HARMONY.finditer(text))
    if not messages:
        return None
    answer = "".join(m["said"] for m in messages if m["channel"] == "final")
    thinking = [m["said"] for m in messages if m["channel"] != "final"]
    return _split(answer, thinking, unfinished=all(m["channel"] != "final" for m in messages))


def _blocks(text: str, *, cut: bool) -> Split | None:
    kept: list[str] = []
    thinking: list[str] = []
    open_families: list[str] = []
    position = 0
    for marker in MARKER.finditer(text):
        family, kind = str(marker.lastgroup).rsplit("_", 1)
        start, end = marker.span()
        if _is_quoted(text, start, end):
            continue
        if kind == "o":
            if family in open_families:
                continue
            if CLOSERS[family].search(text, end):
                if not open_families:
                    kept.append(text[position:start])
                    position = end
                open_families.append(family)
            elif not open_families:
                before = "".join(kept) + text[position:start]
                if not before.strip() or (cut and not text[:start].rpartition("\n")[2].strip()):
                    return _split(before, [*thinking, text[end:]], unfinished=not before.strip())
        elif family in open_families:
            del open_families[open_families.index(family) :]
            if not open_families:
                thinking.append(text[position:start])
                position = end
        elif not open_families:  # the prompt has opened it
            before = "".join(kept) + text[position:start]
            stray = thinking and not text[end:].strip()
            kept = [before] if stray else []
            if not stray:
                thinking.append(before)
            position = end
    if not thinking and not position:
        return None
    kept.append(text[position:])
    return _split("".join(kept), thinking, unfinished=False)


def _is_quoted(text: str, start: int, end: int) -> bool:
    after = text[end : end + 2].lstrip(".,!?")[:1]
    return bool(start and after) and text[start - 1] in QUOTES and after in QUOTES


def _split(answer: str, thinking: list[str], *, unfinished: bool) -> Split:
    opened = ANSWER_OPENS.match(answer)
    answer = ANSWER_CLOSES.sub("", answer[opened.end() :] if opened else answer)
    said = "".join(thinking).strip()
    return Split(answer.strip(), said, unfinished and not answer.strip())
