"""What a recipe for stories names: checked before anything happens, then built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm import registry
from silly_llm.config import Recipe
from silly_llm.container import Container
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.cleaning import Cleaning, cleaning_of
from silly_llm.errors import RecipeError
from silly_llm.providers.base import LLMProvider

if TYPE_CHECKING:
    from silly_llm.data.budget import Budget
    from silly_llm.data.filters import StoryFilter
    from silly_llm.data.journal import Journal
    from silly_llm.data.prompts import PromptGenerator, PromptSettings
    from silly_llm.data.words import Vocabulary


@dataclass
class Parts:
    """What the recipe names, built."""

    provider: LLMProvider
    prompts: PromptGenerator
    filters: list[tuple[str, StoryFilter]]
    cleaning: Cleaning = ()


def inputs_of(args: GenerationArguments) -> list[str | Path | None]:
    """Paths and Hub ids that the stories depend on."""
    from silly_llm.data.sources import open_source
    from silly_llm.data.templates import template_files
    from silly_llm.data.words import local_path

    vocabulary = (local_path(args.vocabulary) or args.vocabulary) if args.vocabulary else None
    examples = open_source(args.examples).inputs() if args.examples else []
    named = [
        component("prompt_generator", args.prompt_generator),
        *(component("story_filter", f) for f in args.filters),
    ]
    of_components = [source for cls, options in named for source in cls.inputs(options)]
    return [vocabulary, *examples, *template_files(args.template), *of_components]


def component(kind: str, named: str | dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The class and the options of what a recipe names."""
    name, options = registry.split_type(kind, named)
    return registry.resolve(kind, name), options


def check_recipe(recipe: Recipe[GenerationArguments]) -> tuple[PromptSettings, Vocabulary]:
    """Check every component and option before anything is written or sent.

    Raises:
        RecipeError: with the recipe's name before the reason.
    """
    from silly_llm.data.words import load_vocabulary

    try:
        return check_components(recipe.args), load_vocabulary(recipe.args.vocabulary)
    except RecipeError as error:
        raise RecipeError(f"{recipe.where}: {error}") from None


def check_components(args: GenerationArguments) -> PromptSettings:
    """Provider, prompts, template and filters exist and take the options given; builds nothing."""
    from silly_llm.data.prompts import PromptSettings
    from silly_llm.data.sources import open_source

    provider = registry.config_of("llm_provider", args.provider, where="provider:")
    if args.max_cost is not None and not getattr(provider, "price_per_million", None):
        raise RecipeError("max_cost: needs prices: provider: {price_per_million: {prompt: …, completion: …}}")
    registry.config_of("prompt_generator", args.prompt_generator, where="prompt_generator:")
    generator, generator_options = component("prompt_generator", args.prompt_generator)
    for story_filter in args.filters:
        registry.config_of("story_filter", story_filter, where="filters:")
    cleaning_of(args.cleaning, args.filters)
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
    generator.check(generator_options, settings)
    if args.examples is not None:
        open_source(args.examples)
    return settings


def build(args: GenerationArguments, container: Container) -> Parts:
    """Provider, prompts and filters."""
    return Parts(
        container.build("llm_provider", args.provider, as_type=LLMProvider),
        container.build("prompt_generator", args.prompt_generator),
        build_filters(args, container),
        cleaning_of(args.cleaning, args.filters),
    )


def build_filters(args: GenerationArguments, container: Container) -> list[tuple[str, StoryFilter]]:
    """The recipe's filters, with their names."""
    return [
        (registry.split_type("story_filter", f)[0], container.build("story_filter", f)) for f in args.filters
    ]


def budget_of(args: GenerationArguments, provider: LLMProvider, journal: Journal | None) -> Budget | None:
    """What the recipe allows to spend, less what the journal says was spent; a shard gets its part."""
    from silly_llm.data.budget import Budget, Spending

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
