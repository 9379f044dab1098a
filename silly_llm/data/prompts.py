"""Prompts for stories: three words, a random subset of features, a template; all from (seed, index).

TinyStories (Eldan & Li 2023, section 2): every request names one noun, one verb, one adjective and some of six
features, which is what makes millions of answers differ.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from silly_llm.data.examples import Examples
from silly_llm.data.templates import compile_template, render
from silly_llm.data.word_sampling import WordSampler
from silly_llm.data.words import PARTS_OF_SPEECH, Vocabulary
from silly_llm.errors import RecipeError, suggestion
from silly_llm.providers.base import Message
from silly_llm.registry import register
from silly_llm.text.features import FEATURES


@dataclass(frozen=True)
class StoryPrompt:
    """One request for a story, and what it was made of."""

    messages: tuple[Message, ...]
    words: Mapping[str, str]
    """By part of speech: `noun`, `verb`, `adjective`."""
    features: tuple[str, ...]
    template: str
    """The template's name; `custom-` and a digest for one's own."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """More for `ChatRequest.fields`."""


@dataclass(frozen=True)
class PromptSettings:
    """What a recipe says about prompts: `features`, `feature_probability`, `template`, `system`.

    Raises:
        RecipeError: an unknown feature, a probability outside 0-1, an unknown template or template variable.
    """

    features: Mapping[str, float] | list[str] | None = None
    feature_probability: float = 0.3
    template: str | list[str] | Mapping[str, float] = "tinystories"
    system: str | None = None
    feature_conflicts: list[list[str]] = field(default_factory=list)
    max_features: int | None = None
    named_templates: Mapping[str, str] = field(default_factory=dict)
    examples: Any = None
    num_examples: int = 0

    def probabilities(self) -> dict[str, float]:
        """The probability of each feature, in the order of `FEATURES`."""
        given = FEATURES if self.features is None else self.features
        for name in given:
            if name not in FEATURES:
                raise RecipeError(
                    f"features: unknown feature {name!r}{suggestion(name, FEATURES)}; known: {', '.join(FEATURES)}"
                )
        by_name = (
            dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, self.feature_probability)
        )
        for name, value in by_name.items():
            if not 0 <= value <= 1:
                raise RecipeError(f"features: {name}: a probability is between 0 and 1, got {value}")
        return {name: by_name[name] for name in FEATURES if name in by_name}

    def conflicts(self) -> list[tuple[str, str]]:
        """Pairs of features that no story has both of."""
        pairs = []
        for pair in self.feature_conflicts:
            for name in pair:
                if name not in FEATURES:
                    raise RecipeError(
                        f"feature_conflicts: unknown feature {name!r}{suggestion(name, FEATURES)}; known: {', '.join(FEATURES)}"
                    )
            if len(pair) != 2 or pair[0] == pair[1]:
                raise RecipeError(f"feature_conflicts: expected pairs of two features, got {pair}")
            pairs.append((pair[0], pair[1]))
        if self.max_features is not None and self.max_features < 0:
            raise RecipeError(f"max_features: must not be negative, got {self.max_features}")
        return pairs

    def templates(self) -> list[tuple[str, Any, float]]:
        """Name, compiled template and weight of each."""
        given: list[tuple[str, float]]
        if isinstance(self.template, str):
            given = [(self.template, 1.0)]
        elif isinstance(self.template, Mapping):
            given = list(self.template.items())
        else:
            given = [(text, 1.0) for text in self.template]
        if not given:
            raise RecipeError("template: the list is empty")
        if min(weight for _, weight in given) < 0 or not sum(weight for _, weight in given):
            raise RecipeError("template: weights must not be negative and not all zero")
        return [(*compile_template(text, self.named_templates), weight) for text, weight in given]


class PromptGenerator(ABC):
    """Makes the request for story number `index`. The same (seed, index) gives the same request."""

    @abstractmethod
    def prompt(self, seed: int, index: int) -> StoryPrompt:
        """The request for a story."""


@register("prompt_generator", "tinystories")
class TinyStoriesPrompts(PromptGenerator):
    """One noun, one verb, one adjective and each feature by its probability, as in the TinyStories paper.

    The words come evenly, and no three of them together twice before all were used (`silly_llm.data.word_sampling`).
    """

    def __init__(self, settings: PromptSettings, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.system = settings.system
        self.settings = settings
        self.probabilities, self.conflicts = settings.probabilities(), settings.conflicts()
        self.templates = settings.templates()
        self.weights = list(accumulate(weight for _, _, weight in self.templates))
        self.samplers: dict[int, WordSampler] = {}
        self.examples = Examples(settings.examples, settings.num_examples)

    def prompt(self, seed: int, index: int) -> StoryPrompt:
        draw = random.Random(f"{seed}:{index}")
        if seed not in self.samplers:
            self.samplers[seed] = WordSampler({pos: self.vocabulary.of(pos) for pos in PARTS_OF_SPEECH}, seed)
        words = self.samplers[seed](index)
        features = self.draw_features(draw)
        name, template, _ = draw.choices(self.templates, cum_weights=self.weights)[0]
        system = ({"role": "system", "content": self.system},) if self.system else ()
        shots = self.examples.turns(draw, template)
        request = {"role": "user", "content": render(template, words, features)}
        return StoryPrompt((*system, *shots, request), words, features, name)

    def draw_features(self, draw: random.Random) -> tuple[str, ...]:
        """Each feature by its probability; of two that conflict one stays, in proportion to their probabilities."""
        drawn = [name for name, chance in self.probabilities.items() if draw.random() < chance]
        for one, other in self.conflicts:
            if one in drawn and other in drawn:
                chances = self.probabilities[one], self.probabilities[other]
                drawn.remove(other if draw.random() * sum(chances) < chances[0] else one)
        most = self.settings.max_features
        if most is not None and len(drawn) > most:
            kept = draw.sample(drawn, most)
            drawn = [name for name in drawn if name in kept]
        return tuple(drawn)
