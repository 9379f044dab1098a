"""The components that a recipe for stories names: parsed once, checked before anything happens, then built."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import Parsed, parse_component
from silly_llm.data.arguments import FILTERS, GenerationArguments, PromptSettings
from silly_llm.data.filters.cleaning import cleaning_of
from silly_llm.providers.base import ChatRequest, LLMProvider, Prices
from silly_llm.text.languages import ENGLISH, Language, base

if TYPE_CHECKING:
    from silly_llm.asking.engine import Engine
    from silly_llm.asking.journal import Journal
    from silly_llm.data.filters.base import StoryFilter
    from silly_llm.data.prompts.base import PromptGenerator, StoryPrompt


class GenerationComponents:
    """Provider, prompts, filters and cleaning, after checking that they exist, accept the options given and are compatible.

    Raises:
        RecipeError: one of them is invalid.
    """

    provider: LLMProvider
    prompts: PromptGenerator
    filters: list[tuple[str, StoryFilter]]

    def __init__(self, args: GenerationArguments) -> None:
        from silly_llm.data.sources import open_source

        self.args = args
        self.language: Language = base(args.written_language() or ENGLISH)
        """The language whose rules filters and statistics follow; English where the recipe says none."""
        self.teacher = parse_component("llm_provider", args.provider, where="provider:")
        self.prices = Prices.of(self.teacher.options.get("price_per_million") or {})
        if args.max_cost is not None and not getattr(self.teacher.config, "price_per_million", self.prices):
            raise RecipeError("max_cost: needs prices: provider: {price_per_million: {prompt: …, completion: …}}")
        self.generator = parse_component("prompt_generator", args.prompt_generator, where="prompt_generator:")
        filters = [parse_component("story_filter", f, where="filters:") for f in args.filters]
        chosen = args.filters != FILTERS
        self.story_filters = [f for f in filters if chosen or self._knows_language(f)]
        """The recipe's filters; if it names none, the default ones that support its language."""
        self.left_out = [f.name for f in filters if f not in self.story_filters]
        self.cleaning = cleaning_of(args.cleaning, [f.name for f in filters])
        self._check_language()
        args.conflicts()
        if self.generator.cls is not None:
            self.generator.cls.check(self.generator.options, args)
        self.examples = open_source(args.examples) if args.examples is not None else None

    def inputs(self) -> list[str | Path | None]:
        """Paths and Hub ids that the stories depend on."""
        from silly_llm.data.prompts.templates import template_files
        from silly_llm.data.vocabulary.lists import local_path

        vocabulary = self.args.vocabulary and (local_path(self.args.vocabulary) or self.args.vocabulary)
        components = [c for c in (self.generator, *self.story_filters) if c.cls is not None]
        return [
            vocabulary or None,
            *(self.examples.inputs() if self.examples else ()),
            *template_files(self.args.template),
            *(source for component in components for source in component.cls.inputs(component.options)),
        ]

    def build(self, container: Container, *, teacher: bool = True) -> None:
        """Make prompts, filters and, unless nobody asks it, the teacher; the container provides vocabulary and all else."""
        container.provide(PromptSettings, self.args)
        if teacher:
            self.provider = container.build("llm_provider", self.teacher, as_type=LLMProvider)
        self.prompts = container.build("prompt_generator", self.generator)
        container.provide(Language, self.language)
        self.filters = [(f.name, container.build("story_filter", f)) for f in self.story_filters]

    def engine(self, journal: Journal | None) -> Engine:
        """The engine with the recipe's budget, minus what the journal says is spent; a shard gets its share."""
        from silly_llm.asking.engine import engine_within

        limits = {name: getattr(self.args, name) for name in ("max_cost", "max_requests", "max_tokens_total")}
        shares = {name: limit and limit / self.args.num_shards for name, limit in limits.items()}
        return engine_within(shares, self.provider, journal)

    def _languages(self, component: Parsed) -> set[str]:
        """The languages that a filter knows; none at all: any."""
        known = component.cls.languages(component.options) if hasattr(component.cls, "languages") else None
        return set(known or ())

    def _knows_language(self, component: Parsed) -> bool:
        known = self._languages(component)
        return not known or self.language in known

    def _check_language(self) -> None:
        """Check that everything named in the recipe supports the language of the texts."""
        from silly_llm.data.prompts.templates import TEMPLATES
        from silly_llm.text.languages import detect_language

        args, language = self.args, self.language
        for component in self.story_filters:
            if not self._knows_language(component):
                name, known = component.name, sorted(self._languages(component))
                of = ", ".join(known) if len(known) < 5 else f"{len(known)} languages"
                hint = "limit it with only: [dialogue] or use patterns" if name == "features" else "leave it out"
                raise RecipeError(f"filters: {name} supports only {of}, and the texts are in {language}: {hint}")
        templates = [args.template] if isinstance(args.template, str) else list(args.template)
        own = [args.templates.get(text, text) for text in templates if text in args.templates or text not in TEMPLATES]
        if language != ENGLISH:
            texts = f"and the texts are in {language}"
            if self.teacher.name == "storyteller":
                raise RecipeError(f"provider: the storyteller writes English only, {texts}")
            if not own and not args.system:
                raise RecipeError(
                    f"template: {templates[0]!r} asks in English for an English story, {texts}: write your own template, "
                    "or set the language in `system`"
                )
            slots = self.generator.options.get("slots", {"": "nouns"}).values()
            of_vocabulary = {"nouns", "verbs", "adjectives"} & {value for value in slots if isinstance(value, str)}
            if args.vocabulary is None and of_vocabulary:
                raise RecipeError(f"vocabulary: the embedded one is English, {texts}: use your own")
        elif args.language is None and not all(map(str.isascii, own)):
            keeps = [f.options.get("language") for f in self.story_filters if f.name == "language"]
            found = detect_language(re.sub(r"\{[{%].*?[}%]\}", "", text, flags=re.DOTALL) for text in own)
            if keeps and not any(keeps) and found and base(found) != ENGLISH:
                raise RecipeError(
                    f"language: the template is in {found!r}, but the filter `language` keeps English: set language: {found} "
                    "(or en)"
                )


def request_for(args: GenerationArguments, index: int, attempt: int, prompt: StoryPrompt) -> ChatRequest:
    """The request for a story."""
    return ChatRequest(
        messages=prompt.messages,
        seed=request_seed(args.seed, index, attempt),
        max_tokens=args.max_tokens,
        temperature=args.temperature,
        top_p=args.top_p,
        fields={"task": "story", "words": dict(prompt.words), "features": list(prompt.features), **prompt.fields},
    )


def request_seed(seed: int, index: int, attempt: int = 0) -> int:
    """The sampling seed of one request: 31 bits, which every server accepts."""
    name = f"{seed}:{index}:{attempt}" if attempt else f"{seed}:{index}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big") >> 1
