"""Story filters: each says of a finished story why it should not be kept, or nothing.

A story refused by any filter goes to the split `rejected` with `NAME: REASON` of every filter that refused it, so
that nothing vanishes and every reason can be counted.
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
from silly_llm.text.features import FEATURES, detect_features, features_known
from silly_llm.text.inflection import includes_word, word_forms
from silly_llm.text.languages import ENGLISH, Language
from silly_llm.text.words import count_words, lower_words, mostly_unspaced, word_set

Story = Mapping[str, Any]
"""A row of a stories dataset folder: `text`, `words`, `features`, `finish_reason` …"""


class Refusal(NamedTuple):
    """Why a story is refused, by a filter that knows more than a reason."""

    reason: str
    duplicate_of: str | None = None
    """`id` of the kept story that this one copies."""


class Verdict(NamedTuple):
    """What filters said of a story."""

    reasons: list[str]
    """`NAME: REASON` of every filter that refused it; empty when it is kept."""
    duplicate_of: str | None


class StoryFilter(ABC):
    """Decides whether a story is kept."""

    stateful: bool = False
    """It compares with the stories kept before, so it is asked last and only of stories that nothing else refuses."""

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        """Files and Hub ids that a filter with these options depends on: stories are made again when they change."""
        return ()

    @staticmethod
    def languages(options: dict[str, Any]) -> Collection[str] | None:
        """The languages (codes without script and region) that a filter with these options knows; `None`: any."""
        return None

    @abstractmethod
    def refuse(self, story: Story) -> str | Refusal | None:
        """Why the story is refused (short, without numbers, so that reasons can be counted), or `None`."""


def reasons_against(story: Story, filters: Sequence[tuple[str, StoryFilter]]) -> Verdict:
    """What the filters say of a story; those that remember are asked last, and only when nothing else refuses it."""
    reasons: list[str] = []
    duplicate_of = None
    for name, story_filter in sorted(filters, key=lambda pair: pair[1].stateful):
        if story_filter.stateful and reasons:
            continue
        refusal = story_filter.refuse(story)
        if isinstance(refusal, str):
            refusal = Refusal(refusal)
        if refusal is not None:
            reasons.append(f"{name}: {refusal.reason}")
            duplicate_of = refusal.duplicate_of or duplicate_of
    return Verdict(reasons, duplicate_of)


def check_share(config: object, *names: str) -> None:
    """Each of the options is a share.

    Raises:
        RecipeError: one is not between 0 and 1.
    """
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise RecipeError(f"{name}: a share is between 0 and 1, got {getattr(config, name)}")


@dataclass(frozen=True)
class LengthConfig:
    """Bounds in words; in scripts without spaces (Chinese, Japanese, Thai …) each letter counts."""

    min_words: int = 50
    max_words: int = 500

    def __post_init__(self) -> None:
        if not 0 <= self.min_words <= self.max_words:
            raise RecipeError(f"min_words: {self.min_words} is more than max_words: {self.max_words}")


@register("story_filter", "length")
class LengthFilter(StoryFilter):
    """Refuses stories with fewer than `min_words` (50) or more than `max_words` (500) words."""

    def __init__(self, config: LengthConfig) -> None:
        self.config = config

    def refuse(self, story: Story) -> str | None:
        words = count_words(story["text"])
        if words < self.config.min_words:
            return f"fewer than {self.config.min_words} words"
        if words > self.config.max_words:
            return f"more than {self.config.max_words} words"
        return None


@dataclass(frozen=True)
class RequiredWordsConfig:
    """How many of the requested words may be missing."""

    max_missing: int = 0


@register("story_filter", "required_words")
class RequiredWordsFilter(StoryFilter):
    """Refuses stories that lack a requested word; inflections count ("ran" for "run"), as far as the language's are known."""

    def __init__(self, config: RequiredWordsConfig, language: Language = ENGLISH) -> None:
        self.config, self.language = config, language

    def refuse(self, story: Story) -> str | None:
        text, found = story["text"], word_set(story["text"])
        english = self.language == ENGLISH
        # Forms among the words of the story are the rule and quick to see; phrases and "dog's" need a search.
        missing = sum(
            not (english and not found.isdisjoint(word_forms(word))) and not includes_word(text, word, self.language)
            for word in story["words"]
        )
        if missing <= self.config.max_missing:
            return None
        return f"{missing} of {len(story['words'])} words missing"


@dataclass(frozen=True)
class FeaturesConfig:
    """Which features are looked for."""

    only: list[str] = field(default_factory=lambda: list(FEATURES))
    patterns: dict[str, str] = field(default_factory=dict)
    """One's own features: by name the regular expression (case does not matter) that finds them."""

    def __post_init__(self) -> None:
        for name, pattern in self.patterns.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise RecipeError(f"patterns: {name}: is no regular expression ({error})") from None
        for name in self.only:
            if name not in FEATURES:
                raise RecipeError(f"only: unknown feature {name!r}{suggestion(name, FEATURES)}")


@register("story_filter", "features")
class FeaturesFilter(StoryFilter):
    """Refuses stories that lack a requested feature, as far as rules can see it: English ones, but for dialogue and `patterns`."""

    def __init__(self, config: FeaturesConfig) -> None:
        self.only = frozenset(config.only).difference(config.patterns)
        self.patterns = {name: re.compile(given, re.IGNORECASE) for name, given in config.patterns.items()}

    @staticmethod
    def languages(options: dict[str, Any]) -> Collection[str] | None:
        by_rules = set(options.get("only", FEATURES)).difference(options.get("patterns", ()))
        return None if by_rules.issubset(features_known("")) else (ENGLISH,)

    def refuse(self, story: Story) -> str | None:
        wanted = self.only.intersection(story["features"])
        missing = sorted(wanted - detect_features(story["text"], wanted))
        own = self.patterns.keys() & set(story["features"])
        missing += sorted(name for name in own if not self.patterns[name].search(story["text"]))
        return f"{', '.join(missing)} not found" if missing else None


@dataclass(frozen=True)
class FinishReasonConfig:
    """Which finish reasons are good."""

    allowed: list[str] = field(default_factory=lambda: ["stop"])


@register("story_filter", "finish_reason")
class FinishReasonFilter(StoryFilter):
    """Refuses stories that did not end by themselves (cut at the token limit, stopped by a content filter)."""

    def __init__(self, config: FinishReasonConfig) -> None:
        self.allowed = frozenset(config.allowed)

    def refuse(self, story: Story) -> str | None:
        return None if story["finish_reason"] in self.allowed else f"ended by {story['finish_reason']!r}"


LONGEST_WORD = 30
"""Letters; 18 in real TinyStories. What is longer loops within a word: "Noooo…", "ha-ha-ha-…"."""


@dataclass(frozen=True)
class RepetitionConfig:
    """What counts as a loop."""

    n: int = 5
    """Words in an n-gram; in scripts without spaces, two letters stand for a word."""
    max_repeats: int = 4
    """How often one n-gram may occur."""
    max_share: float = 0.25
    """Largest share of n-grams that occurred before."""

    def __post_init__(self) -> None:
        if self.n < 1 or self.max_repeats < 1:
            raise RecipeError(f"n and max_repeats must be at least 1, got {self.n} and {self.max_repeats}")
        check_share(self, "max_share")


@register("story_filter", "repetition")
class RepetitionFilter(StoryFilter):
    """Refuses stories that loop: one 5-gram more than 4 times, or more than 25 % of the 5-grams seen before."""

    def __init__(self, config: RepetitionConfig) -> None:
        self.config = config

    def refuse(self, story: Story) -> str | None:
        words = lower_words(story["text"])
        if max(map(len, words), default=0) > LONGEST_WORD:
            return "loops"
        n = 2 * self.config.n if mostly_unspaced(story["text"]) else self.config.n
        ngrams = list(zip(*(words[i:] for i in range(n)), strict=False))
        repeated = len(ngrams) - len(set(ngrams))
        if repeated >= self.config.max_repeats and max(Counter(ngrams).values()) > self.config.max_repeats:
            return "loops"
        return "repeats itself" if repeated > self.config.max_share * len(ngrams) else None


@register("story_filter", "duplicates")
class DuplicatesFilter(StoryFilter):
    """Refuses stories whose words, apart from case, spaces and punctuation, equal those of one kept before; says whose."""

    stateful = True

    def __init__(self) -> None:
        self.seen: dict[bytes, str] = {}

    def refuse(self, story: Story) -> Refusal | None:
        words = " ".join(lower_words(story["text"]))
        digest = hashlib.blake2b(words.encode(), digest_size=12).digest()
        first = self.seen.setdefault(digest, story["id"])
        return None if first == story["id"] else Refusal("exact copy", first)
