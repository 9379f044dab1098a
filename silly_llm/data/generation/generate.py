"""Phase 1b: generate a dataset of stories with an LLM.

Request number `index` derives from (seed, index) alone; its answer is stored in a journal before anything else happens to
it; rows stream in order through filters and statistics into Parquet, in a separate process. So the phase may be killed at any
moment: the same command finds every existing answer, requests the rest, and ends with the same bytes. Teachers that
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
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.generation.components import GenerationComponents, request_for
from silly_llm.providers.base import RequestFailed

if TYPE_CHECKING:
    from silly_llm.asking.engine import Engine, RequestCounts
    from silly_llm.data.generation.statistics import StoryStatistics
    from silly_llm.data.generation.writer_process import WriterProcess

ARGUMENTS = GenerationArguments
check_components = GenerationComponents  # for `silly-llm recipes --check`


def main(argv: list[str] | Options | None = None, *, container: Container | None = None) -> None:
    """Generate stories according to the recipe."""
    recipe = load_recipe(argv, phase="generate", arguments=GenerationArguments)
    with registry.only_registered() if recipe.args.dry_run else nullcontext(), container or Container() as container:
        generate(recipe, container)


def generate(recipe: Recipe[GenerationArguments], container: Container) -> None:
    """The phase, after its recipe has been read."""
    from silly_llm.core.folders.output import open_output
    from silly_llm.data.generation import preview, shards
    from silly_llm.data.generation.report import describe_stories, report
    from silly_llm.data.vocabulary.lists import load_vocabulary
    from silly_llm.hub.publish import check_push, push_if_asked

    try:
        parts, vocabulary = GenerationComponents(recipe.args), load_vocabulary(recipe.args.vocabulary)
    except RecipeError as error:
        raise RecipeError(f"{recipe.where}: {error}") from None
    inputs = parts.inputs()
    container.provide(type(vocabulary), vocabulary)
    if recipe.args.preview:
        parts.build(container)
        preview.preview(recipe, parts)
        return
    check_push(recipe.args)
    merges = recipe.args.num_shards > 1 and recipe.args.shard_index is None
    if merges:
        inputs += shards.finished(recipe, parts, inputs)
    recipe = shards.as_shard(recipe)
    args = recipe.args
    with open_output(recipe, inputs=inputs) as output:
        if output.up_to_date:
            print(f"{output.folder} is up to date")
            push_if_asked(args, output.folder)
            return
        parts.build(container, teacher=not merges)
        if parts.left_out:
            print(f"filters that do not support {parts.language} are left out: {', '.join(parts.left_out)}")
        began = time.monotonic()
        if merges:
            statistics, tally, stopped = shards.merge(parts, output.folder), None, None
        else:
            statistics, tally, stopped = ask_and_write(args, parts, output.folder)
        if stopped is not None and not statistics.splits:
            raise stopped
        seconds = None if merges else time.monotonic() - began
        summary = describe_stories(recipe, output, parts, statistics, tally, seconds)
        if args.shard_index is not None:
            output.record(shard=shards.identity(recipe, parts, inputs))
        report(recipe, summary, tally)
        if stopped is not None:  # the folder contains the stories so far, and is not finished
            raise RunError(f"stopped: {stopped}; with a larger budget the same command continues")
    if args.shard_index is None:
        push_if_asked(args, output.folder)


def ask_and_write(
    args: GenerationArguments, parts: GenerationComponents, folder: Path
) -> tuple[StoryStatistics, RequestCounts, RunError | None]:
    """Request every story and write the splits; also returns why it stopped early, if a budget was spent.

    Raises:
        RunError: more than `max_failed` requests failed; the answers are in the journal.
    """
    from silly_llm.asking.journal import JOURNAL, Journal
    from silly_llm.data.generation.writer import StoryWriter
    from silly_llm.data.generation.writer_process import WriterProcess

    free = parts.provider.free
    writer = WriterProcess(StoryWriter(folder, parts), judge_here=free)  # before threads and the event loop start
    with writer.executor, nullcontext() if free else Journal(folder / JOURNAL) as journal:
        engine = parts.engine(journal)
        statistics, stopped = asyncio.run(write_stories(args, parts, engine, writer))
    return statistics, engine.tally, stopped


async def write_stories(
    args: GenerationArguments, parts: GenerationComponents, engine: Engine, writer: WriterProcess
) -> tuple[StoryStatistics, RunError | None]:
    """Ask, judge, ask again, and commit in order."""
    from silly_llm.asking.budget import BudgetSpent
    from silly_llm.asking.engine import batches, in_order
    from silly_llm.data.generation.progress import Progress, note_on
    from silly_llm.data.generation.report import failures
    from silly_llm.data.generation.shards import indices

    async def stories(batch: list[int]) -> list[int]:
        wanted = [(index, parts.prompts.prompt(args.seed, index)) for index in batch]
        for attempt in range(args.max_attempts):
            requests = [request_for(args, index, attempt, prompt) for index, prompt in wanted]
            again = attempt + 1 < args.max_attempts
            answered = [
                (story, request, answer)
                for story, request, answer in zip(wanted, requests, await engine.ask(requests), strict=True)
                if not isinstance(answer, RequestFailed)
            ]
            judging = [
                writer.judge(index, attempt, prompt, request, answer, wait=again)
                for (index, prompt), request, answer in answered
            ]
            stands = await asyncio.gather(*judging) if again else [await verdict for verdict in judging]
            wanted = [story for (story, _, _), good in zip(answered, stands, strict=True) if not good]
            if not wanted:
                break
        return batch

    stopped = None
    every = indices(args)
    async with writer, aclosing(engine.provider):
        await engine.provider.prepare()
        with Progress(len(every), args.corpus, note=note_on(engine, writer)) as progress:
            try:
                jobs = in_order(stories, batches(every, engine.job_size), at_once=engine.at_once)
                async with aclosing(jobs) as done:
                    async for batch in done:
                        for index in batch:
                            await writer.commit(index)
                        progress.update(len(batch))
            except BudgetSpent as spent:
                stopped = spent
            if engine.tally.failed > args.max_failed:
                raise RunError(failures(engine.tally, len(every)))
            if engine.journal is not None:
                engine.journal.sync()
            return await writer.finish(), stopped
