"""Story filters: each returns the reason why a finished story should not be kept, or nothing.

A story refused by any filter goes to the split `rejected` with `NAME: REASON` of every filter that refused it, so
that nothing disappears and every reason can be counted.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.registry import register
from silly_llm.core.schema import require
from silly_llm.text.features import FEATURES, detect_features, features_known
from silly_llm.text.inflection import includes_word, word_forms
from silly_llm.text.languages import ENGLISH, Language
from silly_llm.text.words import count_words, lower_words, mostly_unspaced, word_set

Story = Mapping[str, Any]
"""A row of a stories dataset folder: `text`, `words`, `features`, `finish_reason` …"""


class Refusal(NamedTuple):
    """The reason why a story is refused, with details beyond a plain string."""

    reason: str
    duplicate_of: str | None = None
    """`id` of the kept story that this one copies."""


class Verdict(NamedTuple):
    """The combined verdict of all filters on a story."""

    reasons: list[str]
    """`NAME: REASON` of every filter that refused the story; empty if it is kept."""
    duplicate_of: str | None = None


class StoryFilter(ABC):
    """Decides whether a story is kept."""

    stateful: bool = False
    """Compares with stories kept before, so it runs last and only on stories that no other filter refuses."""
    english_only: bool = False

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "remembers"):
            raise TypeError(f"{cls.__qualname__}: remembers is now called stateful")

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        """Files and Hub ids that a filter with these options depends on: stories are regenerated when they change."""
        return ()

    @classmethod
    def languages(cls, options: dict[str, Any]) -> Collection[str] | None:
        """The languages (codes without script and region) that a filter with these options supports; `None`: any."""
        return (ENGLISH,) if cls.english_only else None

    @abstractmethod
    def refuse(self, story: Story) -> str | Refusal | None:
        """The reason for refusing the story (short, without numbers, so that reasons can be counted), or `None`."""


def reasons_against(story: Story, filters: Sequence[tuple[str, StoryFilter]]) -> Verdict:
    """The verdict of the filters on a story; stateful ones run last, and only if no other filter refuses it."""
    verdict = Verdict([])
    for name, story_filter in sorted(filters, key=lambda pair: pair[1].stateful):
        if story_filter.stateful and verdict.reasons:
            break
        refusal = story_filter.refuse(story)
        if isinstance(refusal, str):
            refusal = Refusal(refusal)
        if refusal is not None:
            reasons = [*verdict.reasons, f"{name}: {refusal.reason}"]
            verdict = Verdict(reasons, refusal.duplicate_of or verdict.duplicate_of)
    return verdict


def check_share(config: object, *names: str) -> None:
    """Raise a RecipeError if one of the options is not between 0 and 1."""
    for name in names:
        require(config, name, 0 <= getattr(config, name) <= 1, "a share is between 0 and 1")


@register("story_filter", "length")
@dataclass(kw_only=True)
class LengthFilter(StoryFilter):
    """Refuses stories with fewer than `min_words` (50) or more than `max_words` (500) words.

    In scripts without spaces (Chinese, Japanese, Thai …) each letter counts.
    """

    min_words: int = 50
    max_words: int = 500

    def __post_init__(self) -> None:
        if not 0 <= self.min_words <= self.max_words:
            raise RecipeError(f"min_words: {self.min_words} is more than max_words: {self.max_words}")

    def refuse(self, story: Story) -> str | None:
        words, least, most = count_words(story["text"]), self.min_words, self.max_words
        return f"fewer than {least} words" if words < least else f"more than {most} words" if words > most else None


@dataclass(frozen=True)
class RequiredWordsConfig:
    max_missing: int = 0
    """Requested words that may be missing."""


@register("story_filter", "required_words")
class RequiredWordsFilter(StoryFilter):
    """Refuses stories that lack a requested word; inflections count ("ran" for "run"), if known for the language."""

    def __init__(self, config: RequiredWordsConfig, language: Language = ENGLISH) -> None:
        self.config, self.language = config, language

    def refuse(self, story: Story) -> str | None:
        text, words = story["text"], story["words"]
        if self.language == ENGLISH:  # the fast path finds nearly all; phrases and "dog's" need a search
            words = [word for word in words if word_set(text).isdisjoint(word_forms(word))]
        missing = sum(not includes_word(text, word, self.language) for word in words)
        return f"{missing} of {len(story['words'])} words missing" if missing > self.config.max_missing else None


@register("story_filter", "features")
@dataclass(kw_only=True)
class FeaturesFilter(StoryFilter):
    """Refuses stories that lack a requested feature, as far as rules can see it: English ones, but for dialogue and `patterns`."""

    only: list[str] = field(default_factory=lambda: list(FEATURES))
    """The features to look for."""
    patterns: dict[str, str] = field(default_factory=dict)
    """Your own features: by name, the regular expression (ignoring case) that detects them."""

    def __post_init__(self) -> None:
        self.compiled: dict[str, re.Pattern] = {}
        for name, pattern in self.patterns.items():
            try:
                self.compiled[name] = re.compile(pattern, re.IGNORECASE)
            except re.error as error:
                raise RecipeError(f"patterns: {name}: is not a regular expression ({error})") from None
        for name in self.only:
            if name not in FEATURES:
                raise RecipeError(f"only: unknown feature {name!r}{suggestion(name, FEATURES)}")
        self.by_rules = frozenset(self.only).difference(self.patterns)

    @staticmethod
    def languages(options: dict[str, Any]) -> Collection[str] | None:
        by_rules = set(options.get("only", FEATURES)).difference(options.get("patterns", ()))
        return None if by_rules.issubset(features_known("")) else (ENGLISH,)

    def refuse(self, story: Story) -> str | None:
        wanted, text = self.by_rules.intersection(story["features"]), story["text"]
        missing = sorted(wanted - detect_features(text, wanted))
        missing += sorted(n for n in self.compiled.keys() & story["features"] if not self.compiled[n].search(text))
        return f"{', '.join(missing)} not found" if missing else None


@register("story_filter", "finish_reason")
@dataclass(kw_only=True)
class FinishReasonFilter(StoryFilter):
    """Refuses stories that did not end naturally (cut at the token limit, stopped by a content filter)."""

    allowed: list[str] = field(default_factory=lambda: ["stop"])

    def refuse(self, story: Story) -> str | None:
        return None if story["finish_reason"] in self.allowed else f"ended by {story['finish_reason']!r}"


LONGEST_WORD = 30
"""Letters; the maximum in real TinyStories is 18. Longer words are loops: "Noooo…", "ha-ha-ha-…"."""


@register("story_filter", "repetition")
@dataclass(kw_only=True)
class RepetitionFilter(StoryFilter):
    """Refuses stories that loop: one 5-gram more than 4 times, or more than 25 % of the 5-grams seen before."""

    n: int = 5
    """Words in an n-gram; in scripts without spaces, two letters count as a word."""
    max_repeats: int = 4
    """How often one n-gram may occur."""
    max_share: float = 0.25
    """Largest share of repeated n-grams."""

    def __post_init__(self) -> None:
        if self.n < 1 or self.max_repeats < 1:
            raise RecipeError(f"n and max_repeats must be at least 1, got {self.n} and {self.max_repeats}")
        check_share(self, "max_share")

    def refuse(self, story: Story) -> str | None:
        words = lower_words(story["text"])
        if max(map(len, words), default=0) > LONGEST_WORD:
            return "loops"
        n = self.n * (1 + mostly_unspaced(story["text"]))
        ngrams = list(zip(*(words[i:] for i in range(n)), strict=False))
        repeated = len(ngrams) - len(set(ngrams))
        if repeated >= self.max_repeats and max(Counter(ngrams).values()) > self.max_repeats:
            return "loops"
        return "repeats itself" if repeated > self.max_share * len(ngrams) else None


@register("story_filter", "duplicates")
class DuplicatesFilter(StoryFilter):
    """Refuses stories whose words, ignoring case, spaces and punctuation, equal those of one kept before; names that one."""

    stateful = True

    def __init__(self) -> None:
        self.seen: dict[bytes, str] = {}

    def refuse(self, story: Story) -> Refusal | None:
        words = " ".join(lower_words(story["text"]))
        digest = hashlib.blake2b(words.encode(), digest_size=12).digest()
        first = self.seen.setdefault(digest, story["id"])
        return None if first == story["id"] else Refusal("exact copy", first)
