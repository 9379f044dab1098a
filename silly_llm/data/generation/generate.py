"""Phase 1b: have an LLM write a dataset of stories.

Request number `index` is made from (seed, index) alone; its answer is kept in a journal before anything else happens to
it; rows stream in order through filters and statistics into Parquet, in a process of their own. So the phase may die at any
moment: the same command finds every answer that was given, asks for the rest, and ends with the same bytes. Teachers that
are `free` (the storyteller) are asked again instead, which is faster than a journal.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from silly_llm.core import registry
from silly_llm.core.config import Options, Recipe, load_recipe
from silly_llm.core.container import Container
from silly_llm.core.errors import RunError
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.generation.components import (
    JOURNAL,
    ClosingProvider,
    GenerationComponents,
    budget_of,
    build,
    build_filters,
    check_recipe,
    filters_of,
    inputs_of,
    request_for,
    rules_language,
)
from silly_llm.data.generation.components import (
    check_components as check_components,  # for `silly-llm recipes --check`
)
from silly_llm.providers.base import RequestFailed

if TYPE_CHECKING:
    from silly_llm.asking.engine import Engine, RequestCounts
    from silly_llm.data.generation.statistics import StoryStatistics
    from silly_llm.data.generation.writer_process import WriterProcess
    from silly_llm.data.prompts.base import PromptGenerator


ARGUMENTS = GenerationArguments


def main(argv: list[str] | Options | None = None, *, container: Container | None = None) -> None:
    """Generate stories as the recipe says."""
    recipe = load_recipe(argv, phase="generate", arguments=GenerationArguments)
    with registry.only_registered() if recipe.args.dry_run else nullcontext():
        generate(recipe, container or Container())


def generate(recipe: Recipe[GenerationArguments], container: Container) -> None:
    """The phase, after its recipe was read."""
    from silly_llm.core.folders.output import open_output
    from silly_llm.data.generation import preview, shards
    from silly_llm.data.generation.report import describe_stories, report
    from silly_llm.hub.publish import check_push, push_if_asked

    settings, vocabulary = check_recipe(recipe)
    inputs = inputs_of(recipe.args)
    with container:
        container.provide(type(settings), settings).provide(type(vocabulary), vocabulary)
        if recipe.args.preview:
            preview.preview(recipe, build(recipe.args, container))
            return
        check_push(recipe.args)
        if recipe.args.num_shards > 1 and recipe.args.shard_index is None:
            filters = build_filters(recipe.args, container)
            generator: PromptGenerator = container.build("prompt_generator", recipe.args.prompt_generator)
            shards.merge(recipe, filters, inputs, generator.vocabulary_size)
            return
        recipe = shards.as_shard(recipe)
        args = recipe.args
        with open_output(recipe, inputs=inputs) as output:
            if output.up_to_date:
                print(f"{output.folder} is up to date")
                push_if_asked(args, output.folder)
                return
            parts = build(args, container)
            if left := [f for f in args.filters if f not in filters_of(args)]:
                print(f"filters that do not know {rules_language(args)} are left out: {', '.join(map(str, left))}")
            began = time.monotonic()
            statistics, tally, stopped = ask_and_write(recipe, parts, output.folder)
            if stopped is not None and not statistics.splits:
                raise stopped
            summary = describe_stories(
                recipe, output, statistics, parts.prompts.vocabulary_size, tally, time.monotonic() - began
            )
            if args.shard_index is not None:
                output.record(shard=shards.identity(recipe, inputs))
            report(recipe, summary, tally)
            if stopped is not None:  # the folder holds what there is, and is not finished
                raise RunError(f"stopped: {stopped}; with more of it the same command continues")
        if args.shard_index is None:
            push_if_asked(args, output.folder)


def ask_and_write(
    recipe: Recipe[GenerationArguments], parts: GenerationComponents, folder: Path
) -> tuple[StoryStatistics, RequestCounts, RunError | None]:
    """Ask for every story and write the splits; also says why it stopped early, if a budget was spent.

    Raises:
        RunError: more than `max_failed` requests failed; what was answered is in the journal.
    """
    from silly_llm.asking.engine import Engine, RequestCounts
    from silly_llm.asking.journal import Journal
    from silly_llm.data.generation.rows import Teacher
    from silly_llm.data.generation.writer import StoryWriter
    from silly_llm.data.generation.writer_process import WriterProcess

    args, provider = recipe.args, parts.provider
    name = registry.split_type("llm_provider", args.provider)[0]
    writer = WriterProcess(  # before threads and the event loop begin
        StoryWriter(
            folder,
            parts.filters,
            Teacher(name, provider.parameters, provider.prices, parts.cleaning),
            validation_fraction=args.validation_fraction,
            shard=args.shard_index is not None,
            language=rules_language(args),
        ),
        judge_here=provider.free,
    )
    with nullcontext() if provider.free else Journal(folder / JOURNAL) as journal:
        engine = Engine(provider, journal, RequestCounts(), budget_of(args, provider, journal))
        statistics, stopped = asyncio.run(write_stories(args, parts.prompts, engine, writer))
    return statistics, engine.tally, stopped


async def write_stories(
    args: GenerationArguments, prompts: PromptGenerator, engine: Engine, writer: WriterProcess
) -> tuple[StoryStatistics, RunError | None]:
    """Ask, judge, ask again, and commit in order."""
    from silly_llm.asking.budget import BudgetSpent
    from silly_llm.asking.engine import batches, in_order
    from silly_llm.data.generation.progress import GenerationProgress
    from silly_llm.data.generation.report import failures
    from silly_llm.data.generation.shards import indices

    async def stories(batch: list[int]) -> list[int]:
        made = [(index, prompts.prompt(args.seed, index)) for index in batch]
        for attempt in range(args.max_attempts):
            asked = [request_for(args, index, attempt, prompt) for index, prompt in made]
            again = attempt + 1 < args.max_attempts
            answered = [
                (story, request, answer)
                for story, request, answer in zip(made, asked, await engine.ask(asked), strict=True)
                if not isinstance(answer, RequestFailed)
            ]
            judging = [
                writer.judge(index, attempt, prompt, request, answer, wait=again)
                for (index, prompt), request, answer in answered
            ]
            stands = await asyncio.gather(*judging) if again else [await verdict for verdict in judging]
            made = [story for (story, _, _), good in zip(answered, stands, strict=True) if not good]
            if not made:
                break
        return batch

    stopped = None
    wanted = indices(args)
    async with writer, ClosingProvider(engine.provider):
        await engine.provider.prepare()
        progress = GenerationProgress(len(wanted), engine, writer, args.corpus)
        with progress:
            try:
                jobs = batches(wanted, engine.job_size)
                async with aclosing(in_order(stories, jobs, at_once=engine.at_once)) as done:
                    async for batch in done:
                        for index in batch:
                            await writer.commit(index)
                        progress.done_with(len(batch))
            except BudgetSpent as spent:
                stopped = spent
            if engine.tally.failed > args.max_failed:
                raise RunError(failures(engine.tally, len(wanted)))
            if engine.journal is not None:
                engine.journal.sync()
            return await writer.finish(), stopped
