"""Prompts for stories: three words, a random subset of features, a template; all derived from (seed, index).

TinyStories (Eldan & Li 2023, section 2): every request names one noun, one verb, one adjective and some of six
features, which makes millions of answers differ.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.data.arguments import PromptSettings
from silly_llm.data.prompts.sampling import WordSampler
from silly_llm.data.prompts.templates import compiled_templates, variables
from silly_llm.data.vocabulary.lists import PARTS_OF_SPEECH, Vocabulary
from silly_llm.providers.base import Message
from silly_llm.text.features import FEATURES

Ask = Callable[[Mapping[str, str], Sequence[str]], str]
"""The request for given words (by slot) and features (by name)."""
MOST_EXAMPLES = 10_000


@dataclass(frozen=True)
class StoryPrompt:
    """One request for a story, and its ingredients."""

    messages: tuple[Message, ...]
    words: Mapping[str, str]
    """The words that the text must contain, by slot (for a story: `noun`, `verb`, `adjective`)."""
    features: tuple[str, ...]
    template: str
    """The template's name; `custom-` and a digest for the recipe's own."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Additional values for `ChatRequest.fields`."""


class PromptGenerator(ABC):
    """Makes the request for story number `index`. The same (seed, index) gives the same request."""

    vocabulary_size: int | None = None
    """Number of different words that texts may be asked to contain; for the statistics."""

    @staticmethod
    def check(options: dict[str, Any], settings: PromptSettings) -> None:
        """Raise a RecipeError if options and settings are incompatible, before anything is written or sent."""
        settings.probabilities()

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        """Files and Hub ids that prompts with these options depend on."""
        return ()

    @abstractmethod
    def prompt(self, seed: int, index: int) -> StoryPrompt:
        """The request for a story."""


class TemplatePrompts(PromptGenerator):
    """Fills a template with words for its slots and a random subset of features, after examples if the recipe has some (k-shot).

    Words are used evenly, and no combination repeats before all have been used (`silly_llm.data.prompts.sampling`).

    Args:
        required: the slots whose words the text must contain; `words` in a template and a row.
        features: the features requested if the recipe names none.
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
        self.templates = compiled_templates(settings, tuple(slots))
        self.weights = [weight for _, _, weight in self.templates]
        self.samplers: dict[int, WordSampler] = {}
        self.examples = load_examples(settings.examples, settings.num_examples)
        self.vocabulary_size = sum(len(slots[slot]) for slot in self.required)

    def prompt(self, seed: int, index: int) -> StoryPrompt:
        draw = random.Random(f"{seed}:{index}")
        if seed not in self.samplers:
            self.samplers[seed] = WordSampler(self.slots, seed)
        values = self.samplers[seed](index)
        features = self.draw_features(draw)
        name, template, _ = draw.choices(self.templates, self.weights)[0]

        def ask(slots: Mapping[str, str], features: Sequence[str]) -> str:
            known = [name for name in features if name in self.descriptions]
            words = [slots[slot] for slot in self.required]
            return template.render(variables(slots, known, words=words, descriptions=self.descriptions)).strip()

        messages: list[Message] = []
        if self.settings.system:
            messages.append({"role": "system", "content": self.settings.system})
        for example in draw.sample(self.examples, self.settings.num_examples if self.examples else 0):
            messages.append({"role": "user", "content": self._request_of(example, ask)})
            messages.append({"role": "assistant", "content": example["text"]})
        messages.append({"role": "user", "content": ask(values, features)})
        required = {slot: values[slot] for slot in self.required}
        return StoryPrompt(tuple(messages), required, features, name, self.fields(values))

    def fields(self, values: Mapping[str, str]) -> Mapping[str, Any]:
        """Additional values for `ChatRequest.fields`."""
        return {}

    def draw_features(self, draw: random.Random) -> tuple[str, ...]:
        """Draw each feature with its probability; of two that conflict, keep one, in proportion to their probabilities."""
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

    def _request_of(self, example: Mapping[str, Any], ask: Ask) -> str:
        """The request that an example answers: `ask` from its words, or else its own prompt."""
        if words := example.get("words"):
            given = words if isinstance(words, Mapping) else dict(zip(self.slots, words, strict=False))
            if all(given.get(slot) for slot in self.slots):
                return ask(given, tuple(example.get("features") or ()))
        if example.get("prompt"):
            return str(example["prompt"])
        raise RecipeError(f"examples: an example has neither a prompt nor {', '.join(self.slots)} in 'words'")


def load_examples(source: Any, count: int) -> list[Mapping[str, Any]]:
    """Example stories to show to a teacher.

    Args:
        source: any data source with `text` and either `prompt` or `words` (a mapping by slot, or a list in the order of the slots;
            optionally `features`); `None` for no examples. Only the first `MOST_EXAMPLES` of a large source are used.
        count: number of examples per request.

    Raises:
        RecipeError: the source is missing or empty, has no `text`, or nothing to request its stories with.
    """
    if source is None or not count:
        return []
    from silly_llm.data.sources import load_records, require_text

    records = load_records(source, split=("train", "validation"))
    require_text(records, "text")
    if not {"prompt", "words"} & set(records.column_names):
        raise RecipeError(f"examples: {source}: needs a column 'prompt' or 'words' to request its stories with")
    first = records.select(range(min(MOST_EXAMPLES, len(records))))
    examples: list[Mapping[str, Any]] = [dict(record) for record in first if (record["text"] or "").strip()]
    if len(examples) < count:
        raise RecipeError(f"num_examples: {count} is more than the {len(examples)} examples of {source}")
    return examples


@register("prompt_generator", "tinystories")
class TinyStoriesPrompts(TemplatePrompts):
    """One noun, one verb, one adjective and each feature with its probability, as in the TinyStories paper."""

    def __init__(self, settings: PromptSettings, vocabulary: Vocabulary) -> None:
        slots = {pos: vocabulary.of(pos) for pos in PARTS_OF_SPEECH}
        super().__init__(settings, slots, tuple(slots), FEATURES)

    @staticmethod
    def check(options: dict[str, Any], settings: PromptSettings) -> None:
        settings.probabilities()
        compiled_templates(settings)
