"""Prompts for stories: three words, a random subset of features, a template; all from (seed, index).

TinyStories (Eldan & Li 2023, section 2): every request names one noun, one verb, one adjective and some of six
features, which is what makes millions of answers differ.
"""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from silly_llm.data.words import PARTS_OF_SPEECH, Vocabulary
from silly_llm.errors import RecipeError, suggestion
from silly_llm.providers.base import Message
from silly_llm.registry import register
from silly_llm.text.features import DESCRIPTIONS, FEATURES

TEMPLATES: dict[str, str] = {
    # After the paper's request (section 2, figure 1), in our words.
    "tinystories": """\
Write a short story (3-5 paragraphs) which only uses very simple words that a 3 year old child would understand. \
The story should use the verb "{{ verb }}", the noun "{{ noun }}" and the adjective "{{ adjective }}".\
{% if features %} The story has the following features: {{ feature_phrases | join("; ") }}.{% endif %} \
Give the story a beginning, a problem and an end. Remember to only use simple words! \
Answer with the story alone, without a title.""",
    "bedtime": """\
A small child is in bed and asks for a story. Tell one of three or four short paragraphs, about 150 words, in words \
that the child knows. These words must be in it: {{ words | join(", ") }}.\
{% if features %} Make sure that it has: {{ feature_phrases | join("; ") }}.{% endif %} Tell only the story.""",
    # For small teachers (SmolLM2-135M): the first sentence is given, so that the words are in it, and an end is asked for.
    "guided": """\
Write a very short story for a small child, in two short paragraphs, about a {{ adjective }} {{ noun }}. Use the words \
"{{ adjective }}", "{{ noun }}" and "{{ verb }}".{% if features %} The story has {{ feature_phrases | join("; ") }}.\
{% endif %} Begin with "Once upon a time, there was a {{ adjective }} {{ noun }} who liked to {{ verb }}." \
End with "The end.\"""",
}
"""The named templates. Variables: `VARIABLES`."""
VARIABLES = ("noun", "verb", "adjective", "words", "features", "feature_phrases")
"""`words` is the list of the three, `features` the names, `feature_phrases` what a prompt says of them."""


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
    template: str | list[str] = "tinystories"
    system: str | None = None

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

    def templates(self) -> dict[str, Any]:
        """The compiled templates, by name."""
        texts = [self.template] if isinstance(self.template, str) else list(self.template)
        if not texts:
            raise RecipeError("template: the list is empty")
        return dict(compile_template(text) for text in texts)


class PromptGenerator(ABC):
    """Makes the request for story number `index`. The same (seed, index) gives the same request."""

    @abstractmethod
    def prompt(self, seed: int, index: int) -> StoryPrompt:
        """The request for a story."""


@register("prompt_generator", "tinystories")
class TinyStoriesPrompts(PromptGenerator):
    """One noun, one verb, one adjective at random and each feature by its probability, as in the TinyStories paper."""

    def __init__(self, settings: PromptSettings, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.system = settings.system
        self.probabilities = settings.probabilities()
        self.templates = list(settings.templates().items())

    def prompt(self, seed: int, index: int) -> StoryPrompt:
        draw = random.Random(f"{seed}:{index}")
        words = {pos: draw.choice(self.vocabulary.of(pos)) for pos in PARTS_OF_SPEECH}
        features = tuple(name for name, chance in self.probabilities.items() if draw.random() < chance)
        name, template = self.templates[draw.randrange(len(self.templates))]
        text = template.render(**variables(words, features)).strip()
        system = ({"role": "system", "content": self.system},) if self.system else ()
        return StoryPrompt((*system, {"role": "user", "content": text}), words, features, name)


def variables(words: Mapping[str, str], features: tuple[str, ...]) -> dict[str, Any]:
    """What a template may use."""
    phrases = [DESCRIPTIONS[name] for name in features]
    return {**words, "words": list(words.values()), "features": list(features), "feature_phrases": phrases}


def compile_template(text: str) -> tuple[str, Any]:
    """The name and the compiled template of a named template or of one's own text.

    Sandboxed Jinja; a variable that does not exist is an error here, before anything is sent.

    Raises:
        RecipeError: unknown name, bad syntax, unknown variable, or a text that uses none.
    """
    from jinja2 import StrictUndefined, TemplateError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if not text.strip():
        raise RecipeError("template: is empty")
    own = text not in TEMPLATES
    if own and "{{" not in text and not any(character.isspace() for character in text.strip()):
        raise RecipeError(
            f"template: unknown template {text!r}{suggestion(text, TEMPLATES)}; known: {', '.join(TEMPLATES)}"
        )
    name = f"custom-{hashlib.sha256(text.encode()).hexdigest()[:8]}" if own else text
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    source = text if own else TEMPLATES[text]
    example = variables({"noun": "dog", "verb": "run", "adjective": "happy"}, tuple(FEATURES))
    try:
        used = meta.find_undeclared_variables(environment.parse(source))
        for variable in sorted(used - set(VARIABLES)):
            raise RecipeError(
                f"template: unknown variable {variable!r}{suggestion(variable, VARIABLES)}; known: {', '.join(VARIABLES)}"
            )
        compiled = environment.from_string(source)
        if compiled.render(**example) == compiled.render(**variables(dict.fromkeys(PARTS_OF_SPEECH, ""), ())):
            raise RecipeError(
                f"template: uses none of {', '.join(VARIABLES)}, so all prompts would be the same"
            )
    except RecipeError:
        raise
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise RecipeError(f"template: {' '.join(str(error).split())}") from None
    return name, compiled
