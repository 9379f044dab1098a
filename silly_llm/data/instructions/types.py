"""What a request can specify about a story: the four instruction types of the paper (section 6), each with several phrasings.

An instruction type turns one story into one line of a request ("Words: dog, jump, happy"), or nothing if the story
lacks what it needs. Most phrasings begin with the same keyword and a colon: a model of a few million parameters has to
learn to copy from the request, and a fixed position makes that learnable in minutes. Third parties add a type
with ``@register("instruction_type", NAME)``; its `write` needs only the story and a random generator.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.core.schema import require
from silly_llm.text.sentences import split_sentences
from silly_llm.text.words import count_words

OPENERS = (
    "", "", "Write a story.", "Tell me a story.", "Please write a short story.", "Write a short story for a small child.",
)  # fmt: skip
"""Possible first lines of a request; empty for none."""


@dataclass(frozen=True)
class Story:
    """One story and what is known about it."""

    text: str
    story_id: str
    words: tuple[str, ...] = ()
    """As requested (noun, verb, adjective), or empty."""
    features: tuple[str, ...] = ()
    """By their names in the paper."""
    summary: str | None = None
    seen: Callable[[str], bool] = lambda text: False
    """Whether a sentence or summary also occurs in the training split, so that no validation request repeats it (False for training)."""


def listed(record: Mapping[str, Any], column: str) -> tuple[str, ...]:
    """The items of a column that is a list of texts, or a text with commas between them; empty without the column."""
    value = record.get(column)
    items = value.split(",") if isinstance(value, str) else [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, str | None) for item in items):
        raise RecipeError(f"dataset: {column!r} must be texts or lists of texts, got {value!r:.80}")
    return tuple(item.strip() for item in items if item and item.strip())


@dataclass
class InstructionTypeConfig:
    """How often a type is drawn, and its phrasings."""

    probability: float = 0.5
    """The probability that a request contains this type, if the story has what it needs."""
    phrasings: list[str] = field(default_factory=list)
    """Your own phrasings with the placeholder {value}, instead of the built-in ones."""

    def __post_init__(self) -> None:
        require(self, "probability", 0 <= self.probability <= 1, "must be between 0 and 1")
        if without := [p for p in self.phrasings if "{value}" not in p]:
            raise RecipeError(f"phrasings: {without[0]!r} lacks the placeholder {{value}}")


class InstructionType(ABC):
    """A kind of request about a story. Subclasses define the built-in `phrasings` and find the `value`."""

    phrasings: tuple[str, ...] = ("{value}",)
    needs_summary = False
    """Whether an LLM provider should first write the story's summary if the dataset has none."""

    def __init__(self, config: InstructionTypeConfig) -> None:
        self.config = config
        if config.phrasings:
            self.phrasings = tuple(config.phrasings)

    @abstractmethod
    def value(self, story: Story, rng: random.Random) -> str | None:
        """The value this type asks for, taken from the story, or None if the story lacks it."""

    def write(self, story: Story, rng: random.Random) -> str | None:
        """One line (or more) of the request, or None if the story lacks what it needs."""
        value = self.value(story, rng)
        return None if value is None else rng.choice(self.phrasings).replace("{value}", value)


@register("instruction_type", "words")
class Words(InstructionType):
    """Words that the story must contain."""

    phrasings = (
        *["Words: {value}"] * 2,
        "Words: {value}.",
        "Use these words. Words: {value}",
        "The story should contain all of these words.\nWords: {value}",
    )

    def value(self, story: Story, rng: random.Random) -> str | None:
        return ", ".join(story.words) or None


@register("instruction_type", "sentence")
class Sentence(InstructionType):
    """A sentence that the story must contain (never its first)."""

    phrasings = (
        *["Sentence: {value}"] * 2,
        "This sentence must be in the story.\nSentence: {value}",
        "Use this sentence in the story. Sentence: {value}",
    )

    def value(self, story: Story, rng: random.Random) -> str | None:
        sentences = split_sentences(story.text)
        first = sentences[0] if sentences else ""
        candidates = [s for s in sentences[1:] if s != first and 3 <= count_words(s) <= 30 and not story.seen(s)]
        return rng.choice(candidates) if candidates else None


@register("instruction_type", "features")
class Features(InstructionType):
    """Features that the story must have, such as dialogue or a bad ending."""

    phrasings = (
        *["Features: {value}"] * 2,
        "The story should have these features.\nFeatures: {value}",
        "Write it with these features. Features: {value}",
    )

    def value(self, story: Story, rng: random.Random) -> str | None:
        return ", ".join(f.replace("_", " ") for f in story.features) or None


@register("instruction_type", "summary")
class Summary(InstructionType):
    """A summary of the story, in one or two lines."""

    needs_summary = True
    phrasings = (
        *["Summary: {value}"] * 2,
        "Here is what happens in the story.\nSummary: {value}",
        "Write a story with this summary. Summary: {value}",
    )

    def value(self, story: Story, rng: random.Random) -> str | None:
        summary = " ".join((story.summary or "").split())
        return summary if summary and not story.seen(summary) else None
