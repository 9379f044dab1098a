"""Phase 1b: have an LLM write a dataset of stories.

Request number `index` is made from (seed, index) alone; its answer is kept in a journal before anything else happens to
it; rows stream in order through filters and statistics into Parquet. So the phase may die at any moment: the same command
finds every answer that was given, asks for the rest, and ends with the same bytes. Teachers that are `free` (the
storyteller) are asked again instead, which is faster than a journal.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm import registry
from silly_llm.cli import run_main
from silly_llm.config import Recipe, load_recipe
from silly_llm.container import Container
from silly_llm.data.arguments import GenerationArguments
from silly_llm.errors import RecipeError, RunError
from silly_llm.providers.base import ChatRequest, LLMProvider, RequestFailed

if TYPE_CHECKING:
    from silly_llm.data.answers import Tally
    from silly_llm.data.filters import StoryFilter
    from silly_llm.data.prompts import PromptGenerator, PromptSettings, StoryPrompt
    from silly_llm.data.statistics import StoryStatistics
    from silly_llm.data.words import Vocabulary
    from silly_llm.output import Output

JOURNAL = "journal.jsonl"


@dataclass
class Parts:
    """What the recipe names, built."""

    provider: LLMProvider
    prompts: PromptGenerator
    filters: list[tuple[str, StoryFilter]]


ARGUMENTS = GenerationArguments


def main(argv: list[str] | None = None, *, container: Container | None = None) -> None:
    """Generate stories as the recipe says."""
    from silly_llm.data.words import local_path
    from silly_llm.hub import check_push, push_if_asked
    from silly_llm.output import open_output

    recipe = load_recipe(argv, phase="generate", arguments=GenerationArguments)
    args = recipe.args
    settings, vocabulary = check_recipe(recipe)
    with container or Container() as container:
        container.provide(type(settings), settings).provide(type(vocabulary), vocabulary)
        if args.preview:
            prompts: PromptGenerator = container.build("prompt_generator", args.prompt_generator)
            print_preview(prompts, args.seed, args.preview)
            return
        check_push(args)
        source = local_path(args.vocabulary) if args.vocabulary else None
        with open_output(recipe, inputs=[source or args.vocabulary]) as output:
            if output.up_to_date:
                print(f"{output.folder} is up to date")
                push_if_asked(args, output.folder)
                return
            # ------------------------------------------------------------ build
            parts = Parts(
                container.build("llm_provider", args.provider, as_type=LLMProvider),
                container.build("prompt_generator", args.prompt_generator),
                [
                    (registry.split_type("story_filter", f)[0], container.build("story_filter", f))
                    for f in args.filters
                ],
            )
            # ------------------------------------------------------------ ask, filter, write
            statistics, tally = asyncio.run(write_stories(recipe, parts, output.folder))
            # ------------------------------------------------------------ describe
            summary = statistics.summary(len(vocabulary))
            if not summary["stories"]["kept"]:
                top = next(iter(summary["rejected_reasons"]), "no answers")
                raise RunError(
                    f"{output.folder}: the filters refused every story (most often: {top}); see its split `rejected`"
                )
            finish(recipe, output, parts, statistics, summary, tally)
        report(recipe, summary, tally)
        push_if_asked(args, output.folder)


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

    registry.config_of("llm_provider", args.provider, where="provider:")
    registry.config_of("prompt_generator", args.prompt_generator, where="prompt_generator:")
    for story_filter in args.filters:
        registry.config_of("story_filter", story_filter, where="filters:")
    settings = PromptSettings(args.features, args.feature_probability, args.template, args.system)
    settings.probabilities()
    settings.templates()
    return settings


def print_preview(prompts: PromptGenerator, seed: int, count: int) -> None:
    """Print the exact messages of the first requests."""
    for index in range(count):
        prompt = prompts.prompt(seed, index)
        words = ", ".join(f"{pos} {word!r}" for pos, word in prompt.words.items())
        print(
            f"--- {index} · {words} · features: {', '.join(prompt.features) or 'none'} · template {prompt.template}"
        )
        for message in prompt.messages:
            print(f"[{message['role']}]\n{message['content']}\n")


def requests(
    args: GenerationArguments, prompts: PromptGenerator
) -> Iterator[tuple[tuple[int, StoryPrompt], ChatRequest]]:
    """The requests of a run, each with its index and prompt."""
    for index in range(args.num_stories):
        prompt = prompts.prompt(args.seed, index)
        fields = {
            "task": "story",
            "words": dict(prompt.words),
            "features": list(prompt.features),
            **prompt.fields,
        }
        yield (
            (index, prompt),
            ChatRequest(
                messages=prompt.messages,
                seed=request_seed(args.seed, index),
                max_tokens=args.max_tokens,
                temperature=args.temperature,
                top_p=args.top_p,
                fields=fields,
            ),
        )


def request_seed(seed: int, index: int) -> int:
    """The sampling seed of one request: 31 bits, which every server takes."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=4).digest(), "big") >> 1


async def write_stories(
    recipe: Recipe[GenerationArguments], parts: Parts, folder: Path
) -> tuple[StoryStatistics, Tally]:
    """Ask for every story and write the splits.

    Raises:
        RunError: more than `max_failed` requests failed; what was answered is in the journal.
    """
    from silly_llm.data.answers import Tally, answer_all
    from silly_llm.data.filters import reasons_against
    from silly_llm.data.folder import DatasetWriter
    from silly_llm.data.journal import Journal
    from silly_llm.data.progress import Progress
    from silly_llm.data.statistics import StoryStatistics
    from silly_llm.data.story_rows import ValidationShare, row_of, schema

    args = recipe.args
    tally, statistics = Tally(), StoryStatistics()
    provider_name = registry.split_type("llm_provider", args.provider)[0]
    validation = ValidationShare(args.validation_fraction)
    journal = nullcontext() if parts.provider.free else Journal(folder / JOURNAL)
    with journal as kept_answers, Progress(args.num_stories, "stories") as progress:
        stream = answer_all(requests(args, parts.prompts), parts.provider, kept_answers, tally)
        async with aclosing(stream), ClosingProvider(parts.provider):
            with DatasetWriter(folder, schema()) as writer:
                async for (index, prompt), request, answer in stream:
                    progress.advance_to(tally.asked + tally.reused + tally.failed)  # answers come in batches
                    if isinstance(answer, RequestFailed):
                        continue
                    row = row_of(index, prompt, request, answer, provider_name, parts.provider)
                    row["rejected_by"] = reasons_against(row, parts.filters)
                    split = (
                        "rejected" if row["rejected_by"] else "validation" if validation.next() else "train"
                    )
                    writer.write(split, row)
                    statistics.add(split, row)
                if tally.failed > args.max_failed:
                    raise RunError(failures(tally, args.num_stories))
                if kept_answers is not None:
                    kept_answers.sync()
    return statistics, tally


class ClosingProvider:
    """Close a provider in the event loop that it worked in."""

    def __init__(self, provider: LLMProvider) -> None:
        self.provider = provider

    async def __aenter__(self) -> LLMProvider:
        return self.provider

    async def __aexit__(self, *_: object) -> None:
        await self.provider.aclose()


def failures(tally: Tally, total: int) -> str:
    """One line about requests that failed after all retries."""
    reason = max(tally.reasons, key=lambda r: tally.reasons[r])
    return (
        f"{tally.failed} of {total} requests failed ({reason}); the answers to all others are kept, and the same command "
        "asks only for the missing ones (or allow for them with --max_failed)"
    )


def finish(
    recipe: Recipe[GenerationArguments],
    output: Output,
    parts: Parts,
    statistics: StoryStatistics,
    summary: dict[str, Any],
    tally: Tally,
) -> None:
    """Write statistics and card, and note what was made."""
    from silly_llm.hub import dataset_card, write_card
    from silly_llm.output import write_text

    write_text(output.folder / "statistics.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    shown = {"splits": dict(statistics.splits)} | {
        k: v for k, v in summary.items() if k not in ("stories", "sample")
    }
    write_card(output.folder, dataset_card("stories", recipe, statistics=shown, sample=statistics.sample))
    output.record(
        stories=summary["stories"],
        rejected_by=summary["rejected_by"],
        tokens=summary["tokens"],
        teacher={
            "provider": registry.split_type("llm_provider", recipe.args.provider)[0],
            "model": parts.provider.model,
        },
        requests={"asked": tally.asked, "reused": tally.reused, "failed": tally.failed},
    )


def report(recipe: Recipe[GenerationArguments], summary: dict[str, Any], tally: Tally) -> None:
    """Say what was made, where it is, and what comes next."""
    stories = summary["stories"]
    args = recipe.args
    parts = [f"{stories.get(split, 0):,} {split}" for split in ("train", "validation", "rejected")]
    print(f"{stories['total']:,} stories in {args.output_dir}: {', '.join(parts)}")
    if summary["rejected_by"]:
        reasons = ", ".join(f"{name} {count:,}" for name, count in summary["rejected_by"].items())
        print(f"rejected by: {reasons} (one story may have several reasons)")
    if tally.reused:
        print(f"{tally.reused:,} answers came from the journal, {tally.asked:,} were asked for")
    sibling = recipe.file.with_name("pretrain.yaml") if recipe.file else None
    environment = f" --environment {recipe.environment}" if recipe.environment != "default" else ""
    if sibling is not None and sibling.is_file():
        print(f"next: silly-llm pretrain --config {sibling}{environment} --dataset {args.output_dir}")
    else:
        print(f"next: silly-llm pretrain --config recipes/base/pretrain.yaml --dataset {args.output_dir}")


if __name__ == "__main__":
    run_main(main)
