"""Prompts for stories: three words, a random subset of features, a template; all from (seed, index).

TinyStories (Eldan & Li 2023, section 2): every request names one noun, one verb, one adjective and some of six
features, which is what makes millions of answers differ.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.registry import register
from silly_llm.data.prompts.examples import Examples
from silly_llm.data.prompts.sampling import WordSampler
from silly_llm.data.prompts.templates import compile_template, variables
from silly_llm.data.vocabulary.lists import PARTS_OF_SPEECH, Vocabulary
from silly_llm.providers.base import Message
from silly_llm.text.features import DESCRIPTIONS, FEATURES


@dataclass(frozen=True)
class StoryPrompt:
    """One request for a story, and what it was made of."""

    messages: tuple[Message, ...]
    words: Mapping[str, str]
    """Those that the text must have, by slot (for a story: `noun`, `verb`, `adjective`)."""
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
    feature_descriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def descriptions(self) -> dict[str, str]:
        """What a prompt says of each feature: ours, then one's own."""
        return {**DESCRIPTIONS, **self.feature_descriptions}

    def probabilities(self, default: Sequence[str] = FEATURES) -> dict[str, float]:
        """The probability of each feature, in the order of `descriptions`; `default` and one's own where the recipe names none."""
        known = self.descriptions
        given = [*default, *self.feature_descriptions] if self.features is None else self.features
        for name in given:
            self._check_feature("features", name)
        by_name = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, self.feature_probability)
        for name, value in by_name.items():
            if not 0 <= value <= 1:
                raise RecipeError(f"features: {name}: a probability is between 0 and 1, got {value}")
        return {name: by_name[name] for name in known if name in by_name}

    def conflicts(self) -> list[tuple[str, str]]:
        """Pairs of features that no story has both of."""
        pairs = []
        for pair in self.feature_conflicts:
            for name in pair:
                self._check_feature("feature_conflicts", name)
            if len(pair) != 2 or pair[0] == pair[1]:
                raise RecipeError(f"feature_conflicts: expected pairs of two features, got {pair}")
            pairs.append((pair[0], pair[1]))
        if self.max_features is not None and self.max_features < 0:
            raise RecipeError(f"max_features: must not be negative, got {self.max_features}")
        return pairs

    def _check_feature(self, key: str, name: str) -> None:
        known = self.descriptions
        if name not in known:
            raise RecipeError(f"{key}: unknown feature {name!r}{suggestion(name, known)}; known: {', '.join(known)}")

    def templates(self, slots: Sequence[str] = tuple(PARTS_OF_SPEECH)) -> list[tuple[str, Any, float]]:
        """Name, compiled template and weight of each, for what is drawn for each text."""
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
        named, descriptions = self.named_templates, self.descriptions
        return [
            (*compile_template(text, named, slots=slots, descriptions=descriptions), weight) for text, weight in given
        ]


class PromptGenerator(ABC):
    """Makes the request for story number `index`. The same (seed, index) gives the same request."""

    vocabulary_size: int | None = None
    """Different words that texts are asked to have; for the statistics."""

    @staticmethod
    def check(options: dict[str, Any], settings: PromptSettings) -> None:
        """Whether options and settings go together, before anything is written or sent.

        Raises:
            RecipeError: they do not.
        """
        settings.probabilities()

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        """Files and Hub ids that prompts with these options depend on."""
        return ()

    @abstractmethod
    def prompt(self, seed: int, index: int) -> StoryPrompt:
        """The request for a story."""


class TemplatePrompts(PromptGenerator):
    """Fills a template with the words of its slots and a random subset of features.

    The words come evenly, and no combination comes twice before all were used (`silly_llm.data.prompts.sampling`).

    Args:
        settings: what the recipe says of features, templates and examples.
        slots: the values of each slot.
        required: the slots whose words the text must have; `words` of a template and of a row.
        features: those that are asked for where the recipe names none.
    """

    def __init__(
        self,
        settings: PromptSettings,
        slots: Mapping[str, Sequence[str]],
        required: Sequence[str],
        features: Sequence[str] = (),
    ) -> None:
        self.settings, self.slots, self.required = settings, slots, tuple(required)
        self.probabilities, self.conflicts = settings.probabilities(features), settings.conflicts()
        self.descriptions = settings.descriptions
        self.templates = settings.templates(tuple(slots))
        self.weights = list(accumulate(weight for _, _, weight in self.templates))
        self.samplers: dict[int, WordSampler] = {}
        self.examples = Examples(settings.examples, settings.num_examples, tuple(slots))
        self.vocabulary_size = sum(len(slots[slot]) for slot in self.required)

    def prompt(self, seed: int, index: int) -> StoryPrompt:
        draw = random.Random(f"{seed}:{index}")
        if seed not in self.samplers:
            self.samplers[seed] = WordSampler(self.slots, seed)
        values = self.samplers[seed](index)
        features = self.draw_features(draw)
        name, template, _ = draw.choices(self.templates, cum_weights=self.weights)[0]

        def ask(slots: Mapping[str, str], features: Sequence[str]) -> str:
            known = [name for name in features if name in self.descriptions]
            words = [slots[slot] for slot in self.required]
            return template.render(variables(slots, known, words=words, descriptions=self.descriptions)).strip()

        system = self.settings.system
        opening: tuple[Message, ...] = ({"role": "system", "content": system},) if system else ()
        shots = self.examples.turns(draw, ask)
        request: Message = {"role": "user", "content": ask(values, features)}
        return StoryPrompt(
            (*opening, *shots, request),
            {slot: values[slot] for slot in self.required},
            features,
            name,
            self.fields(values),
        )

    def fields(self, values: Mapping[str, str]) -> Mapping[str, Any]:
        """More for `ChatRequest.fields`."""
        return {}

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


@register("prompt_generator", "tinystories")
class TinyStoriesPrompts(TemplatePrompts):
    """One noun, one verb, one adjective and each feature by its probability, as in the TinyStories paper."""

    def __init__(self, settings: PromptSettings, vocabulary: Vocabulary) -> None:
        slots = {pos: vocabulary.of(pos) for pos in PARTS_OF_SPEECH}
        super().__init__(settings, slots, tuple(slots), FEATURES)

    @staticmethod
    def check(options: dict[str, Any], settings: PromptSettings) -> None:
        settings.probabilities()
        settings.templates()
