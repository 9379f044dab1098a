"""What a recipe for stories names: checked before anything happens, then built."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core import registry
from silly_llm.core.config import Recipe
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.filters.cleaning import Cleaning, cleaning_of
from silly_llm.providers.base import ChatRequest, LLMProvider
from silly_llm.text.languages import ENGLISH, Language, base

if TYPE_CHECKING:
    from silly_llm.data.prompts.base import PromptGenerator, StoryPrompt

if TYPE_CHECKING:
    from silly_llm.asking.budget import Budget
    from silly_llm.asking.journal import Journal
    from silly_llm.data.filters.base import StoryFilter
    from silly_llm.data.prompts.base import PromptGenerator, PromptSettings
    from silly_llm.data.vocabulary.lists import Vocabulary

JOURNAL = "journal.jsonl"


@dataclass
class GenerationComponents:
    """What the recipe names, built."""

    provider: LLMProvider
    prompts: PromptGenerator
    filters: list[tuple[str, StoryFilter]]
    cleaning: Cleaning = ()


def inputs_of(args: GenerationArguments) -> list[str | Path | None]:
    """Paths and Hub ids that the stories depend on."""
    from silly_llm.data.prompts.templates import template_files
    from silly_llm.data.sources import open_source
    from silly_llm.data.vocabulary.lists import local_path

    vocabulary = (local_path(args.vocabulary) or args.vocabulary) if args.vocabulary else None
    examples = open_source(args.examples).inputs() if args.examples else []
    named = [
        component("prompt_generator", args.prompt_generator),
        *(component("story_filter", f) for f in filters_of(args)),
    ]
    of_components = [source for cls, options in named for source in (cls.inputs(options) if cls else ())]
    return [vocabulary, *examples, *template_files(args.template), *of_components]


def rules_language(args: GenerationArguments) -> Language:
    """The language whose rules filters and statistics follow; English where the recipe says none."""
    return base(args.written_language() or ENGLISH)


def filters_of(args: GenerationArguments) -> list[str | dict[str, Any]]:
    """The recipe's filters; where it names none, those of the default ones that know its language."""
    if args.filters != GenerationArguments().filters:
        return args.filters
    return [f for f in args.filters if knows(f, rules_language(args))]


def knows(story_filter: str | dict[str, Any], language: str) -> bool:
    """Whether a filter, with its options, knows a language."""
    cls, options = component("story_filter", story_filter)
    languages = cls.languages(options) if hasattr(cls, "languages") else None
    return languages is None or language in languages


def check_languages(args: GenerationArguments) -> None:
    """Whether everything that the recipe names knows the language of the texts.

    Raises:
        RecipeError: something knows English only, or filter and recipe name two languages.
    """
    from silly_llm.data.prompts.templates import TEMPLATES
    from silly_llm.text.languages import detect_language

    language = rules_language(args)
    for story_filter in filters_of(args):
        if not knows(story_filter, language):
            cls, options = component("story_filter", story_filter)
            name, known = registry.split_type("story_filter", story_filter)[0], sorted(cls.languages(options))
            of = ", ".join(known) if len(known) < 5 else f"{len(known)} languages"
            hint = "name what it knows with only: [dialogue] or patterns" if name == "features" else "leave it out"
            raise RecipeError(f"filters: {name} knows {of} only, and the texts are in {language}: {hint}")
    templates = [args.template] if isinstance(args.template, str) else list(args.template)
    own = [args.templates.get(text, text) for text in templates if text in args.templates or text not in TEMPLATES]
    names = [registry.split_type("story_filter", f)[0] for f in args.filters]
    if language != ENGLISH:
        if registry.split_type("llm_provider", args.provider)[0] == "storyteller":
            raise RecipeError(f"provider: the storyteller writes English only, and the texts are in {language}")
        if not own and not args.system:
            raise RecipeError(
                f"template: {templates[0]!r} asks in English for an English story, and the texts are in {language}: write "
                "a template of your own, or say so in `system`"
            )
        _, options = component("prompt_generator", args.prompt_generator)
        of_vocabulary = [v for v in options.get("slots", {"": "nouns"}).values() if isinstance(v, str)]
        if args.vocabulary is None and {"nouns", "verbs", "adjectives"} & set(of_vocabulary):
            raise RecipeError(
                f"vocabulary: the embedded one is English, and the texts are in {language}: name your own"
            )
    elif args.language is None and "language" in names and not all(map(str.isascii, own)):
        found = detect_language(re.sub(r"\{[{%].*?[}%]\}", "", text, flags=re.DOTALL) for text in own)
        if (
            found
            and base(found) != ENGLISH
            and not any(isinstance(f, dict) and f.get("language") for f in args.filters)
        ):
            raise RecipeError(
                f"language: the template is in {found!r}, but the filter `language` keeps English: say language: {found} (or en)"
            )


def component(kind: str, named: str | dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The class and the options of what a recipe names."""
    name, options = registry.split_type(kind, named)
    return registry.class_to_look_at(kind, name), options


def check_recipe(recipe: Recipe[GenerationArguments]) -> tuple[PromptSettings, Vocabulary]:
    """Check every component and option before anything is written or sent.

    Raises:
        RecipeError: with the recipe's name before the reason.
    """
    from silly_llm.data.vocabulary.lists import load_vocabulary

    try:
        return check_components(recipe.args), load_vocabulary(recipe.args.vocabulary)
    except RecipeError as error:
        raise RecipeError(f"{recipe.where}: {error}") from None


def check_components(args: GenerationArguments) -> PromptSettings:
    """Provider, prompts, template and filters exist and take the options given; builds nothing."""
    from silly_llm.data.prompts.base import PromptSettings
    from silly_llm.data.sources import open_source

    provider = registry.parse_component("llm_provider", args.provider, where="provider:")
    prices = registry.split_type("llm_provider", args.provider)[1].get("price_per_million")
    if args.max_cost is not None and not getattr(provider, "price_per_million", prices):
        raise RecipeError("max_cost: needs prices: provider: {price_per_million: {prompt: …, completion: …}}")
    registry.parse_component("prompt_generator", args.prompt_generator, where="prompt_generator:")
    generator, generator_options = component("prompt_generator", args.prompt_generator)
    for story_filter in args.filters:
        registry.parse_component("story_filter", story_filter, where="filters:")
    cleaning_of(args.cleaning, args.filters)
    check_languages(args)
    settings = PromptSettings(
        features=args.features,
        feature_probability=args.feature_probability,
        template=args.template,
        system=args.system,
        feature_conflicts=args.feature_conflicts,
        max_features=args.max_features,
        named_templates=args.templates,
        examples=args.examples,
        num_examples=args.num_examples,
        feature_descriptions=args.feature_descriptions,
    )
    settings.conflicts()
    if generator is not None:
        generator.check(generator_options, settings)
    if args.examples is not None:
        open_source(args.examples)
    return settings


def build(args: GenerationArguments, container: Container) -> GenerationComponents:
    """Provider, prompts and filters."""
    return GenerationComponents(
        container.build("llm_provider", args.provider, as_type=LLMProvider),
        container.build("prompt_generator", args.prompt_generator),
        build_filters(args, container),
        cleaning_of(args.cleaning, args.filters),
    )


def build_filters(args: GenerationArguments, container: Container) -> list[tuple[str, StoryFilter]]:
    """The recipe's filters for its language, with their names."""
    container.provide(Language, rules_language(args))
    return [(registry.split_type("story_filter", f)[0], container.build("story_filter", f)) for f in filters_of(args)]


def budget_of(args: GenerationArguments, provider: LLMProvider, journal: Journal | None) -> Budget | None:
    """What the recipe allows to spend, less what the journal says was spent; a shard gets its part."""
    from silly_llm.asking.budget import Budget, Spending

    if args.max_requests is None and args.max_tokens_total is None and args.max_cost is None:
        return None
    prompt, completion = journal.tokens if journal is not None else (0, 0)
    spent = Spending(
        requests=len(journal) if journal is not None else 0,
        tokens=prompt + completion,
        cost=provider.prices.cost(prompt, completion) if provider.prices else 0.0,
    )
    part = args.num_shards
    return Budget(
        max_requests=None if args.max_requests is None else args.max_requests // part,
        max_tokens_total=None if args.max_tokens_total is None else args.max_tokens_total // part,
        max_cost=None if args.max_cost is None else args.max_cost / part,
        prices=provider.prices,
        spent=spent,
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
    """The sampling seed of one request: 31 bits, which every server takes."""
    name = f"{seed}:{index}:{attempt}" if attempt else f"{seed}:{index}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big") >> 1


class ClosingProvider:
    """Close a provider in the event loop that it worked in."""

    def __init__(self, provider: LLMProvider) -> None:
        self.provider = provider

    async def __aenter__(self) -> LLMProvider:
        return self.provider

    async def __aexit__(self, *_: object) -> None:
        await self.provider.aclose()
