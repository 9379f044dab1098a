"""Story filters that look at the language: characters, difficulty, profanity, personal data, markup, refusals."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from silly_llm.data.filters import Story, StoryFilter
from silly_llm.errors import RecipeError
from silly_llm.registry import register
from silly_llm.text.words import lower_words

APOSTROPHE = "['’]"
REFUSAL = re.compile(
    rf"""^\W*(?:i{APOSTROPHE}m\ sorry,?\ but | i\ am\ sorry,?\ but | sorry,?\ but\ i | i\ apologi[sz]e
        | i\ (?:can{APOSTROPHE}?t|cannot|can\ not|won{APOSTROPHE}?t)\ (?:write|create|help|assist|provide|fulfill|generate)
        | i{APOSTROPHE}m\ (?:not\ able|unable)\ to | i\ am\ (?:not\ able|unable)\ to)
    | \bas\ an?\ (?:ai|artificial\ intelligence|large\ language\ model|language\ model)\b""",
    re.IGNORECASE | re.VERBOSE,
)
MARKUP = re.compile(
    r"""^\s*\#{1,6}\s | \*\*[^*\n]+\*\* | ``` | <\|[^|>]*\|> | </?[a-z][a-z0-9]*(?:\s[^<>]*)?> | \[[^\]\n]+\]\([^)\n]+\)
        | ^\s*[-*•]\s.*\n\s*[-*•]\s | \\n | &(?:amp|quot|lt|gt|nbsp|\#\d+);""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)


@register("story_filter", "refusals")
class RefusalsFilter(StoryFilter):
    """Refuses answers in which the model declines to write, or says that it is one."""

    def refuse(self, story: Story) -> str | None:
        return "declines to write" if REFUSAL.search(story["text"]) else None


@register("story_filter", "markup")
class MarkupFilter(StoryFilter):
    """Refuses headings, bold, lists, links, code fences, HTML tags and entities, chat tokens, escaped line ends."""

    def refuse(self, story: Story) -> str | None:
        return "has markup" if MARKUP.search(story["text"]) else None


PUNCTUATION = " \n\r\t.,;:!?'\"()-–—…“”‘’*&%$#/0123456789°½+=~éèêëàâäáãåæçñóòôöøœúùûüíìîïßÉÀÖÜÄ"
"""Besides letters a to z, what an English story may have: also accents of names and loan words."""


RAREST = 2.0
"""Zipf scale; once in ten million words. Rarer words are unknown."""
NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
"""A capitalised word within a sentence."""


@dataclass(frozen=True)
class LanguageConfig:
    """What counts as the language."""

    language: str = "en"
    """A language of wordfreq (`en`, `de`, `fr` …); the characters are checked for English only."""
    max_foreign_characters: float = 0.005
    """Largest share of characters that English stories do not have."""
    max_unknown_words: float = 0.12
    """Largest share of words that are rarer than once in ten million, names included."""

    def __post_init__(self) -> None:
        for name in ("max_foreign_characters", "max_unknown_words"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name}: a share is between 0 and 1, got {getattr(self, name)}")
        import wordfreq

        known = wordfreq.available_languages()
        if self.language not in known:
            raise RecipeError(f"language: {self.language!r} is none of {', '.join(sorted(known))}")


@register("story_filter", "language")
class LanguageFilter(StoryFilter):
    """Refuses stories in another language or script, and word salad: characters, and words that nobody uses."""

    def __init__(self, config: LanguageConfig) -> None:
        self.config = config
        ours = "".join(chr(c) for c in range(32, 127) if chr(c).isalpha()) + PUNCTUATION
        self.allowed = dict.fromkeys(map(ord, ours))

    def refuse(self, story: Story) -> str | None:
        text = story["text"]
        if self.config.language == "en":
            foreign = text.translate(self.allowed)
            if len(foreign) > self.config.max_foreign_characters * len(text):
                return "foreign characters"
        words = lower_words(text)
        unknown = sum(zipf(word, self.config.language) < RAREST for word in words)
        return "unknown words" if unknown > self.config.max_unknown_words * len(words) else None


@dataclass(frozen=True)
class DifficultyConfig:
    """Which words are hard."""

    min_frequency: float = 3.5
    """Zipf scale: log10 of occurrences per billion words; rarer words are hard (van Heuven et al. 2014)."""
    max_share: float = 0.1
    """Largest share of hard words; requested words and names are excused."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_share <= 1:
            raise RecipeError(f"max_share: a share is between 0 and 1, got {self.max_share}")


@register("story_filter", "difficulty")
class DifficultyFilter(StoryFilter):
    """Refuses stories with too many words that a small child does not hear: more than 10 % rarer than Zipf 3.5."""

    def __init__(self, config: DifficultyConfig) -> None:
        self.config = config

    def refuse(self, story: Story) -> str | None:
        words = lower_words(story["text"])
        hard = [word for word in words if zipf(word, "en") < self.config.min_frequency]
        if len(hard) <= self.config.max_share * len(words):
            return None
        excused = {word.lower() for word in (*story["words"], *NAME.findall(story["text"]))}
        left = sum(word not in excused for word in hard)
        return "too many hard words" if left > self.config.max_share * len(words) else None


@functools.lru_cache(maxsize=50_000)
def zipf(word: str, language: str) -> float:
    """How frequent a word is in a language, on the Zipf scale; 0 for one that nobody uses."""
    import wordfreq

    return wordfreq.zipf_frequency(word, language)


INNOCENT_IN_STORIES = frozenset({"cock", "jerk", "prick", "drug", "queer", "naked"})
"""Words that a vocabulary does without, but that tell of roosters, sudden moves, needles and baths in a story."""


@register("story_filter", "profanity")
class ProfanityFilter(StoryFilter):
    """Refuses stories with a word that one does not say to children: whole words of a short list of our own."""

    def refuse(self, story: Story) -> str | None:
        return "profanity" if any(map(is_profane, set(lower_words(story["text"])))) else None


@functools.lru_cache(maxsize=50_000)
def is_profane(word: str) -> bool:
    """Whether one does not say a word (lower case) to children."""
    from silly_llm.data.word_checks import PROFANE_STEMS, PROFANITY

    return (word in PROFANITY and word not in INNOCENT_IN_STORIES) or bool(PROFANE_STEMS.match(word))


PERSONAL = {
    "email address": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    "web address": re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE),
    "IP address": re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b"),
    "card or account number": re.compile(r"\b(?:\d[ -]?){12,18}\d\b"),
    "social security number": re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    "phone number": re.compile(
        r"(?<!\d)(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ .-]?|\d{3}[ .-])\d{3,4}[ .-]\d{3,4}(?!\d)"
    ),
}
"""What stories should have none of, and how it looks."""


@register("story_filter", "personal_data")
class PersonalDataFilter(StoryFilter):
    """Refuses e-mail, web and IP addresses, phone, card and social security numbers."""

    def refuse(self, story: Story) -> str | None:
        text = story["text"]
        if not any(mark in text for mark in ("@", "://", "www.", "WWW.")) and not any(map(str.isdigit, text)):
            return None
        return next((name for name, pattern in PERSONAL.items() if pattern.search(text)), None)
