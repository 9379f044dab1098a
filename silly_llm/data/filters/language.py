"""Word-based story filters: language, difficulty, profanity, personal data."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.data.filters.base import Story, StoryFilter, check_share
from silly_llm.data.vocabulary.checks import PROFANE_STEMS, PROFANITY
from silly_llm.data.vocabulary.lists import PARTS_OF_SPEECH, load_vocabulary, local_path
from silly_llm.text.inflection import Form, inflect, word_forms
from silly_llm.text.languages import ENGLISH, Language, base, detect_language, standard
from silly_llm.text.sentences import FUNCTION_WORDS
from silly_llm.text.words import lower_words, word_set

PUNCTUATION = " \n\r\t.,;:!?'\"()-–—…“”‘’*&%$#/0123456789°½+=~éèêëàâäáãåæçñóòôöøœúùûüíìîïßÉÀÖÜÄ"
"""Characters of an English story besides the letters a to z, including accents of names and loan words."""


RAREST = 3.0
"""Zipf scale; once in a million words. Rarer words are unknown. They are at most 13 % of real TinyStories, 45 % and more in other languages."""
NAME = re.compile(r" (?<=[a-z,;] )([A-Z][a-z]+)")
"""A capitalized word within a sentence."""


NEED_SEGMENTERS = ("zh", "ja", "ko")
"""Languages for which wordfreq needs other packages to split words; stories in them are identified as a whole."""


@functools.cache
def rarity(frequency: float, language: str) -> Callable[[str], bool]:
    """A function that says whether a word is unknown in a language or rarer than `frequency` (Zipf scale)."""
    from wordfreq import zipf_frequency

    return functools.lru_cache(maxsize=50_000)(lambda word: zipf_frequency(word, language) < frequency)


@dataclass(frozen=True)
class LanguageConfig:
    language: str | None = None
    """A code (`en`, `de`, `zh` …); default: the recipe's `language`, else English. Characters are checked for English only."""
    max_foreign_characters: float = 0.005
    """Largest share of characters that do not occur in English stories."""
    max_unknown_words: float = 0.25
    """Largest share of words rarer than once in a million, names included; only for languages whose words wordfreq can count."""

    def __post_init__(self) -> None:
        check_share(self, "max_foreign_characters", "max_unknown_words")
        known = counted_languages() | recognised_languages()
        if self.language is not None and (code := base(standard(self.language))) not in known:
            raise RecipeError(f"language: {code!r} is unknown; known: {', '.join(sorted(known))}")


@functools.cache
def counted_languages() -> frozenset[str]:
    """The languages whose words wordfreq can count without other packages."""
    import wordfreq

    return frozenset(wordfreq.available_languages()).difference(NEED_SEGMENTERS)


@functools.cache
def recognised_languages() -> frozenset[str]:
    """The languages that py3langid distinguishes."""
    import py3langid

    return frozenset(code for code, _ in py3langid.rank("")) - {"zxx", "und"}


@register("story_filter", "language")
class LanguageFilter(StoryFilter):
    """Refuses stories in another language or script, and word salad, by their characters and unused words.

    Languages whose words wordfreq cannot count (Chinese, Japanese, Korean, Thai …) are identified by py3langid, which does not detect
    word salad.
    """

    def __init__(self, config: LanguageConfig, language: Language = ENGLISH) -> None:
        self.config = config
        self.language = base(config.language) if config.language else language
        self.allowed = str.maketrans("", "", ascii_letters + PUNCTUATION)
        self.counted = self.language in counted_languages()

    @staticmethod
    def languages(options: dict[str, Any]) -> Collection[str] | None:
        given = options.get("language")
        return (base(given),) if given else counted_languages() | recognised_languages()

    def refuse(self, story: Story) -> str | None:
        text = story["text"]
        if not self.counted:
            found = detect_language([text])
            return "another language" if found not in (self.language, None) else None  # None: too short to tell
        foreign = len(text.translate(self.allowed)) if self.language == ENGLISH else 0
        if foreign > self.config.max_foreign_characters * len(text):
            return "foreign characters"
        words = lower_words(text)
        unknown = sum(map(rarity(RAREST, self.language), words))
        return "unknown words" if unknown > self.config.max_unknown_words * len(words) else None


@dataclass(frozen=True)
class DifficultyConfig:
    min_frequency: float = 3.5
    """Zipf scale: log10 of occurrences per billion words; rarer words are hard (van Heuven et al. 2014)."""
    vocabulary: str | None = None
    """vocabulary.json, its folder, or a Hub dataset id; all forms of its words are easy, however rare. With
    `min_frequency: 9`, these words and function words are the only easy ones."""
    max_share: float = 0.1
    """Largest share of hard words; requested words and names are exempt."""

    def __post_init__(self) -> None:
        check_share(self, "max_share")


@register("story_filter", "difficulty")
class DifficultyFilter(StoryFilter):
    """Refuses stories with too many English words that a small child does not hear: more than 10 % rarer than Zipf 3.5."""

    english_only = True

    def __init__(self, config: DifficultyConfig) -> None:
        self.config = config
        self.easy = FUNCTION_WORDS
        if config.vocabulary:
            vocabulary = load_vocabulary(config.vocabulary)
            self.easy = self.easy.union(*(word_forms(w) for pos in PARTS_OF_SPEECH for w in vocabulary.of(pos)))

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        source = options.get("vocabulary")
        return [str(local_path(source) or source)] if source else []

    def refuse(self, story: Story) -> str | None:
        words = lower_words(story["text"])
        rare = rarity(self.config.min_frequency, "en")
        most = self.config.max_share * len(words)
        if sum(map(rare, words)) <= most:
            return None
        excused = {word.lower() for word in NAME.findall(story["text"])}.union(*map(word_forms, story["words"]))
        hard = sum(rare(word) and word not in self.easy and word not in excused for word in words)
        return "too many hard words" if hard > most else None


INNOCENT_IN_STORIES = frozenset({"cock", "jerk", "prick", "drug", "queer", "naked"})
"""Excluded from vocabularies, but in a story they mean roosters, sudden moves, needles and baths."""


@functools.cache
def profanity() -> frozenset[str]:
    """Words not for children, and their forms as nouns and verbs."""
    forms: tuple[Form, ...] = ("plural", "past", "participle", "ing", "third")
    words = PROFANITY - INNOCENT_IN_STORIES
    return words | {inflect(word, form) for word in words for form in forms}


@register("story_filter", "profanity")
class ProfanityFilter(StoryFilter):
    """Refuses stories with an English word that is not for children: whole words of our own short list, in any form."""

    english_only = True

    def refuse(self, story: Story) -> str | None:
        words, low = word_set(story["text"]), story["text"].lower()
        stems = any(stem in low for stem in PROFANE_STEMS) and any(word.startswith(PROFANE_STEMS) for word in words)
        return "profanity" if stems or not words.isdisjoint(profanity()) else None


PERSONAL = {
    "email address": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    "web address": re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE),
    "IP address": re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b"),
    "card number": re.compile(r"\b(?:\d{4}[ -]?){3}\d{1,4}\b|\b\d{4}[ -]?\d{6}[ -]?\d{5}\b"),
    "social security number": re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    "phone number": re.compile(
        r"(?<![\d-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ .-]?|\d{3}[ .-])\d{3,4}[ .-]\d{3,4}(?![\d-])|(?<![\d-])\d{3}-\d{4}(?![\d-])"
    ),
}
"""Kinds of personal data that stories should not contain, and their patterns."""
DIGIT = re.compile("[0-9]")


@register("story_filter", "personal_data")
class PersonalDataFilter(StoryFilter):
    """Refuses e-mail, web and IP addresses, phone, card and social security numbers."""

    def refuse(self, story: Story) -> str | None:
        text = story["text"]
        if not DIGIT.search(text) and not any(mark in text for mark in ("@", "://", "www.", "WWW.")):
            return None
        for name, pattern in PERSONAL.items():
            found = pattern.findall(text)
            if any(map(passes_luhn, found)) if name == "card number" else found:
                return name
        return None


def passes_luhn(number: str) -> bool:
    """Whether the check digit of a card number is valid (ISO/IEC 7812)."""
    digits = [int(c) for c in reversed(number) if c.isdigit()]
    return sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0
