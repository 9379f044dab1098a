"""Prompts for any corpus: the recipe defines the slots and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.lookup import locate
from silly_llm.core.registry import register
from silly_llm.data.arguments import PromptSettings
from silly_llm.data.opening import read_text
from silly_llm.data.prompts.base import TemplatePrompts
from silly_llm.data.prompts.templates import compiled_templates
from silly_llm.data.vocabulary.lists import PARTS_OF_SPEECH, Vocabulary

LISTS = tuple(PARTS_OF_SPEECH.values())
"""Word lists of the vocabulary that a slot may use."""
RESERVED = ("words", "features", "feature_phrases")


@dataclass(frozen=True)
class SlotsConfig:
    slots: dict[str, Any]
    """By name: a list of values, a text file with one per line, or the vocabulary's `nouns`, `verbs`, `adjectives`."""
    required: list[str] = field(default_factory=list)
    """Slots whose value the text must contain (see the filter `required_words`)."""

    def __post_init__(self) -> None:
        if not self.slots:
            raise RecipeError("slots: is empty; define the values for each text: {slots: {animal: [dog, cat]}}")
        if unknown := [name for name in self.required if name not in self.slots]:
            near = suggestion(unknown[0], self.slots)
            raise RecipeError(f"required: unknown slot {unknown[0]!r}{near}; known: {', '.join(self.slots)}")
        for name, given in self.slots.items():
            if not name.isidentifier() or name in RESERVED:
                raise RecipeError(f"slots: {name!r} cannot be the name of a template's variable")
            slot_values(name, given)


@register("prompt_generator", "slots")
class SlotPrompts(TemplatePrompts):
    """One value for each slot of the recipe, and its own features: a corpus of letters, recipes or riddles needs no code.

    Every value is used equally often, and no combination repeats before all have been used.
    """

    def __init__(self, config: SlotsConfig, settings: PromptSettings, vocabulary: Vocabulary) -> None:
        slots = {name: slot_values(name, given, vocabulary) for name, given in config.slots.items()}
        super().__init__(settings, slots, config.required)

    def fields(self, values: Mapping[str, str]) -> Mapping[str, Any]:
        return {"task": "text", "slots": dict(values)}

    @staticmethod
    def check(options: dict[str, Any], settings: PromptSettings) -> None:
        settings.probabilities(())
        compiled_templates(settings, tuple(SlotsConfig(**options).slots))

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        return [str(locate(v)) for v in options["slots"].values() if isinstance(v, str) and v not in LISTS]


def slot_values(name: str, given: Any, vocabulary: Vocabulary | None = None) -> tuple[str, ...]:
    """The values of a slot, at least one; slots from the vocabulary are empty without one."""
    if isinstance(given, str) and given in LISTS:
        return () if vocabulary is None else getattr(vocabulary, given)
    if isinstance(given, str):
        text = read_text(given, f"slots: {name}: expected a list, a text file, or one of {', '.join(LISTS)}")
        given = [line.strip() for line in text.splitlines() if line.strip()]
    if not isinstance(given, list) or not given or not all(isinstance(v, str) and v.strip() for v in given):
        raise RecipeError(f"slots: {name}: expected texts, at least one, got {given!r}")
    return tuple(dict.fromkeys(given))
