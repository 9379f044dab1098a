"""Prompts for stories: three words, a random subset of features, a template; all from (seed, index).

TinyStories (Eldan & Li 2023, section 2): every request names one noun, one verb, one adjective and some of six
features, which is what makes millions of answers differ.
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
"""The request for words by slot and features by name."""
MOST_EXAMPLES = 10_000


@dataclass(frozen=True)
class StoryPrompt:
    """One request for a story, and what it was made of."""

    messages: tuple[Message, ...]
    words: Mapping[str, str]
    """Those that the text must have, by slot (for a story: `noun`, `verb`, `adjective`)."""
    features: tuple[str, ...]
    template: str
    """The template's name; `custom-` and a digest for the recipe's own."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """More for `ChatRequest.fields`."""


class PromptGenerator(ABC):
    """Makes the request for story number `index`. The same (seed, index) gives the same request."""

    vocabulary_size: int | None = None
    """Different words that texts are asked to have; for the statistics."""

    @staticmethod
    def check(options: dict[str, Any], settings: PromptSettings) -> None:
        """Raise a RecipeError where options and settings do not go together, before anything is written or sent."""
        settings.probabilities()

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        """Files and Hub ids that prompts with these options depend on."""
        return ()

    @abstractmethod
    def prompt(self, seed: int, index: int) -> StoryPrompt:
        """The request for a story."""


class TemplatePrompts(PromptGenerator):
    """Fills a template with the words of its slots and a random subset of features, after examples where the recipe has some (k-shot).

    Words are used evenly, and no combination twice before all were used (`silly_llm.data.prompts.sampling`).

    Args:
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

    def _request_of(self, example: Mapping[str, Any], ask: Ask) -> str:
        """What would have asked for an example: `ask` from its words, else its own prompt."""
        if words := example.get("words"):
            given = words if isinstance(words, Mapping) else dict(zip(self.slots, words, strict=False))
            if all(given.get(slot) for slot in self.slots):
                return ask(given, tuple(example.get("features") or ()))
        if example.get("prompt"):
            return str(example["prompt"])
        raise RecipeError(f"examples: an example has neither a prompt nor {', '.join(self.slots)} in 'words'")


def load_examples(source: Any, count: int) -> list[Mapping[str, Any]]:
    """Stories to show to a teacher.

    Args:
        source: any data source with `text` and either `prompt` or `words` (a mapping by slot, or a list in the order of the slots;
            `features` where it has them); `None` for none. A large one gives its first `MOST_EXAMPLES`.
        count: how many are shown with each request.

    Raises:
        RecipeError: the source is missing or empty, has no `text`, or has nothing to ask for its stories with.
    """
    if source is None or not count:
        return []
    from silly_llm.data.sources import load_records, require_text

    records = load_records(source, split=("train", "validation"))
    require_text(records, "text")
    if not {"prompt", "words"} & set(records.column_names):
        raise RecipeError(f"examples: {source}: needs a column 'prompt' or 'words', to ask for its stories with")
    first = records.select(range(min(MOST_EXAMPLES, len(records))))
    examples: list[Mapping[str, Any]] = [dict(record) for record in first if (record["text"] or "").strip()]
    if len(examples) < count:
        raise RecipeError(f"num_examples: {count} is more than the {len(examples)} examples of {source}")
    return examples


@register("prompt_generator", "tinystories")
class TinyStoriesPrompts(TemplatePrompts):
    """One noun, one verb, one adjective and each feature by its probability, as in the TinyStories paper."""

    def __init__(self, settings: PromptSettings, vocabulary: Vocabulary) -> None:
        slots = {pos: vocabulary.of(pos) for pos in PARTS_OF_SPEECH}
        super().__init__(settings, slots, tuple(slots), FEATURES)

    @staticmethod
    def check(options: dict[str, Any], settings: PromptSettings) -> None:
        settings.probabilities()
        compiled_templates(settings)
