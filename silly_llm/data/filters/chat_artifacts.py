"""Story filters for what a chat model says instead of, or around, a story: refusals, talk about the task, markup.

Regular expressions over a whole story cost tens of microseconds, so each is tried only if a substring it requires is present.
"""

from __future__ import annotations

import re

from silly_llm.core.registry import register
from silly_llm.data.filters.base import Story, StoryFilter

APOSTROPHE = "['’]"
FLAGS = re.IGNORECASE | re.VERBOSE
# After a quotation mark, a character is speaking: "I'm sorry, but …" said Tom.
DECLINES = re.compile(
    rf"""[^\w"“]*(?:i{APOSTROPHE}m\ sorry,?\ but | i\ am\ sorry,?\ but | (?:i{APOSTROPHE}m\ )?sorry,?\ (?:but\ )?i | i\ apologi[sz]e
        | (?:unfortunately,?\ )?i\ (?:can{APOSTROPHE}?t|cannot|can\ not|won{APOSTROPHE}?t)\ (?:write|create|help|assist|provide
            |fulfill|generate|continue|comply|tell\ (?:you\ )?a\ story)
        | i{APOSTROPHE}m\ (?:not\ able|unable)\ to | i\ am\ (?:not\ able|unable)\ to)""",
    FLAGS,
)
IS_A_MODEL = re.compile(
    r"\b(?:as|i\ am|i['’]m)\ an?\ (?:ai\b|artificial\ intelligence|(?:large\ )?language\ model)", FLAGS
)
OPENS = re.compile(
    rf"""[^\w"“]*(?:(?:sure(?:\ thing)?|certainly|of\ course|absolutely|great)\b[!,.] | okay,\ here
        | here(?:{APOSTROPHE}s|\ is|\ are)\b[^.\n]*\b(?:story|tale|paragraphs?|version)\b
        | title\s*: | once\ i\ have | i\ hope\ | (?:once\ )?you\ (?:asked|requested)\b)""",
    FLAGS,
)
LABEL = re.compile(
    r"\n\s*(?:note|words\ used|features?|moral\ value|plot\ twist|dialogue|conflict|foreshadowing|word\ count)\s*:",
    FLAGS,
)
PHRASES = {
    "i hope": re.compile(
        r"""\bi\ hope\ (?:this\ (?:story|helps|meets|works)|you\ (?:like|enjoy)\ (?:this\ story|it\b(?=[^"”]*\Z)|my\ story))""",
        FLAGS,
    ),
    "let me know": re.compile(r"\blet\ me\ know\ if\ you\ (?:need|would|'d|want|have)", FLAGS),
    "story": re.compile(
        r"""\bthis\ (?:short\ )?story\ (?:uses|has\ the|features|includes|contains|meets|is\ about)\b | \bin\ (?:this|a)\ short\ story,
        | \bin\ this\ story, | \bthe\ story\ (?:begins|starts|opens)\ with\b""",
        FLAGS,
    ),
    "main character": re.compile(r"\bmain\ character", FLAGS),
    "protagonist": re.compile(r"\bprotagonist", FLAGS),
    "your child": re.compile(r"\byour\ child(?:ren)?\b", FLAGS),
}
"""The pattern to search for if the text contains a phrase."""
MARKS = ("#", "*", "`", "<", "](", "\n-", "\n -", "•", "\\n", "&")
MARKUP = re.compile(
    r"""^\s*\#{1,6}\s | \*\*[^*\n]+\*\* | ``` | <\|[^|>]*\|> | </?[a-z][a-z0-9]*(?:\s[^<>]*)?> | \[[^\]\n]+\]\([^)\n]+\)
        | ^\s*[-*•]\s.*\n\s*[-*•]\s | \\n | &(?:amp|quot|lt|gt|nbsp|\#\d+);""",
    FLAGS | re.MULTILINE,
)


@register("story_filter", "refusals")
class RefusalsFilter(StoryFilter):
    """Refuses answers in which the model declines, in English, to write, or says that it is a model."""

    english_only = True

    def refuse(self, story: Story) -> str | None:
        text = story["text"]
        low = text.lower()
        hints = any(part in low for part in (" an ai", "artificial intelligence", "language model"))
        return "declines to write" if DECLINES.match(text) or (hints and IS_A_MODEL.search(text)) else None


@register("story_filter", "assistant_talk")
class AssistantTalkFilter(StoryFilter):
    """Refuses answers that talk in English about the task instead of telling the story: "Sure!", titles, notes, hopes."""

    english_only = True

    def refuse(self, story: Story) -> str | None:
        text, low = story["text"], story["text"].lower()
        phrases = any(part in low and pattern.search(text) for part, pattern in PHRASES.items())
        label = ":" in text and LABEL.search("\n" + text)
        return "talks about the task" if phrases or label or OPENS.match(text) else None


@register("story_filter", "markup")
class MarkupFilter(StoryFilter):
    """Refuses headings, bold, lists, links, code fences, HTML tags and entities, chat tokens, escaped line ends."""

    def refuse(self, story: Story) -> str | None:
        text = story["text"]
        return "has markup" if any(mark in text for mark in MARKS) and MARKUP.search(text) else None
