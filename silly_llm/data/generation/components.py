"""The components that a recipe for stories names: parsed once, checked before anything happens, then built."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import parse_component, resolve, split_type
from silly_llm.data.arguments import FILTERS, GenerationArguments
from silly_llm.data.filters.cleaning import cleaning_of
from silly_llm.providers.base import ChatRequest, LLMProvider, Prices
from silly_llm.text.languages import ENGLISH, Language, base

if TYPE_CHECKING:
    from silly_llm.asking.engine import Engine
    from silly_llm.asking.journal import Journal
    from silly_llm.data.filters.base import StoryFilter
    from silly_llm.data.prompts.base import PromptGenerator, StoryPrompt


class Named(NamedTuple):
    """A component as named in a recipe; `cls` is `None` for the recipe's own code that must not be imported (`--dry_run`)."""

    kind: str
    name: str
    options: dict[str, Any]
    cls: Any
    config: Any

    @classmethod
    def parse(cls, kind: str, spec: str | dict[str, Any], where: str) -> Named:
        return cls(kind, *split_type(kind, spec), *parse_component(kind, spec, where=where))

    def build(self, container: Container, **options: Any) -> Any:
        cls = self.cls or resolve(self.kind, self.name)  # refuses code that must not be imported
        return container.build(self.kind, (cls, self.config), **options)


class GenerationComponents:
    """Provider, prompts, filters and cleaning, after checking that they exist, accept the options given and are compatible.

    Raises:
        RecipeError: one of them is invalid.
    """

    provider: LLMProvider
    prompts: PromptGenerator
    filters: list[tuple[str, StoryFilter]]

    def __init__(self, args: GenerationArguments) -> None:
        from silly_llm.data.prompts.base import PromptSettings
        from silly_llm.data.sources import open_source

        self.args = args
        self.language: Language = base(args.written_language() or ENGLISH)
        """The language whose rules filters and statistics follow; English if the recipe sets none."""
        self.teacher = Named.parse("llm_provider", args.provider, "provider:")
        self.prices = Prices.of(self.teacher.options.get("price_per_million") or {})
        if args.max_cost is not None and not getattr(self.teacher.config, "price_per_million", self.prices):
            raise RecipeError("max_cost: requires prices: provider: {price_per_million: {prompt: …, completion: …}}")
        self.generator = Named.parse("prompt_generator", args.prompt_generator, "prompt_generator:")
        filters = [Named.parse("story_filter", f, "filters:") for f in args.filters]
        chosen = args.filters != FILTERS
        self.story_filters = [f for f in filters if chosen or self._knows_language(f)]
        """The recipe's filters; if it names none, the default ones that support its language."""
        self.left_out = [f.name for f in filters if f not in self.story_filters]
        self.cleaning = cleaning_of(args.cleaning, args.filters)
        self._check_language()
        names = {f.name for f in fields(PromptSettings)}
        shared = {name: value for name, value in vars(args).items() if name in names}
        self.settings = PromptSettings(named_templates=args.templates, **shared)
        self.settings.conflicts()
        if self.generator.cls is not None:
            self.generator.cls.check(self.generator.options, self.settings)
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
        """Build prompts, filters and, unless it is not needed, the teacher; the container provides the vocabulary and everything else."""
        container.provide(type(self.settings), self.settings)
        if teacher:
            self.provider = self.teacher.build(container, as_type=LLMProvider)
        self.prompts = self.generator.build(container)
        container.provide(Language, self.language)
        self.filters = [(f.name, f.build(container)) for f in self.story_filters]

    def engine(self, journal: Journal | None) -> Engine:
        """The engine with the recipe's budget, minus what the journal says is spent; a shard gets its share."""
        from silly_llm.asking.budget import Budget
        from silly_llm.asking.engine import Engine

        limits = {name: getattr(self.args, name) for name in ("max_cost", "max_requests", "max_tokens_total")}
        budget = None
        if any(limits.values()):
            prompt, completion = journal.tokens() if journal is not None else (0, 0)
            budget = Budget(
                **{name: limit and limit / self.args.num_shards for name, limit in limits.items()},
                prices=self.provider.prices,
                requests=len(journal) if journal is not None else 0,
                prompt_tokens=prompt,
                completion_tokens=completion,
            )
        return Engine(self.provider, journal, budget=budget)

    def _languages(self, component: Named) -> set[str]:
        """The languages that a filter supports; empty: any."""
        known = component.cls.languages(component.options) if hasattr(component.cls, "languages") else None
        return set(known or ())

    def _knows_language(self, component: Named) -> bool:
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
