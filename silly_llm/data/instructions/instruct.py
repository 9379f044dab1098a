"""Phase 3: an instruction dataset from stories.

Each example requests a story by a random subset of instruction types (words it contains, one of its sentences, its
features, its summary: TinyStories, section 6) and answers with the story itself. Every choice derives from
``(seed, story, k)``, so it does not depend on the order of the stories, restarts or the number of processes.

`split.py` keeps training and validation apart.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.config import Options, Recipe, load_recipe
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.launch import command_line, next_command
from silly_llm.core.phases import PHASES
from silly_llm.core.registry import Parsed, parse_component
from silly_llm.data.instructions.arguments import InstructionArguments
from silly_llm.data.instructions.split import StorySplit
from silly_llm.data.instructions.types import OPENERS, InstructionType, Story
from silly_llm.text.languages import ENGLISH, base
from silly_llm.text.sentences import content_words
from silly_llm.text.words import count_words

if TYPE_CHECKING:
    from silly_llm.core.folders.output import Output


ARGUMENTS = InstructionArguments
SAMPLES = 50
"""Number of rows kept for the card: one is shown, all are used to detect the language."""


def check_components(args: InstructionArguments, where: str = "") -> tuple[list[Parsed], Parsed | None]:
    """Types and provider, which exist and take the options given; builds nothing."""
    language = base(args.language or ENGLISH)
    english = f"English, and the texts are in {language}: give"
    types = []
    for i, spec in enumerate(args.types):
        types.append(parse_component("instruction_type", spec, where=f"{where}types[{i}]:"))
        if language != ENGLISH and not types[i].options.get("phrasings"):
            raise RecipeError(
                f"{where}types: the phrasings of {types[i].name} are {english} its own: phrasings: ['… {{value}}']"
            )
    if language != ENGLISH and not args.openers:
        raise RecipeError(f"{where}openers: the built-in ones are {english} some, or ['']")
    if args.provider is None:
        return types, None
    return types, parse_component("llm_provider", args.provider, where=f"{where}provider:")


def main(argv: list[str] | Options | None = None, *, container: Container | None = None) -> None:
    """Read the recipe, derive the instructions unless they are up to date, publish if requested."""
    recipe = load_recipe(argv, phase="instruct", arguments=InstructionArguments)
    args = recipe.args
    if args.language is None:  # it may be in the data's own card
        from silly_llm.hub.data_cards import what_is_known

        said = what_is_known(args.dataset).languages
        args.language = said[0] if len(said) == 1 else None
    check_components(args, f"{recipe.where}: ")

    from silly_llm.core.folders.output import open_output
    from silly_llm.data.sources import open_source
    from silly_llm.hub.publish import check_push, push_if_asked

    source = open_source(args.dataset)
    stories = StorySplit(source, fraction=args.validation_fraction, seed=args.seed)
    check_push(args)
    with container or Container() as services, open_output(recipe, inputs=source.inputs()) as output:
        if output.up_to_date:
            print(f"{args.output_dir} is up to date")
        else:
            derive(recipe, stories, services, output)
    push_if_asked(args, args.output_dir)


def derive(recipe: Recipe[InstructionArguments], stories: StorySplit, services: Container, output: Output) -> None:
    """Write the dataset folder: rows, statistics, card."""
    from silly_llm.core.folders.files import write_text
    from silly_llm.data.dataset_writer import write_dataset_folder
    from silly_llm.data.instructions.summaries import SummaryWriter
    from silly_llm.hub.cards import dataset_card, write_card
    from silly_llm.providers.base import LLMProvider

    args, folder = recipe.args, Path(recipe.args.output_dir)
    parsed, teacher = check_components(args)
    types: dict[str, InstructionType] = {t.name: services.build("instruction_type", t) for t in parsed}
    writer = RequestWriter(types, args)
    stories.scan()

    # Requests, with summaries that the dataset lacks
    splits = {"train": args.examples_per_story, "validation": 1} | ({"held_out": 1} if args.hold_out else {})
    counts: dict[str, Counter] = {split: Counter() for split in splits}
    combinations: dict[str, Counter] = {split: Counter() for split in splits}
    samples: list[dict[str, Any]] = []
    with ExitStack() as stack:
        summaries = None
        if teacher is not None:
            provider = services.build("llm_provider", teacher, as_type=LLMProvider)
            summaries = stack.enter_context(SummaryWriter(provider, folder, seed=args.seed, language=writer.language))

        def rows(split: str) -> Iterator[dict[str, Any]]:
            of_split = stories.stories("train" if split == "train" else "validation")
            for row in writer.rows(of_split, splits[split], split=split, summaries=summaries):
                if len(samples) < SAMPLES:
                    samples.append(row)
                counts[split].update(examples=1, words_in_answers=count_words(row["text"]))
                combinations[split][" + ".join(row["types"])] += 1
                yield row

        write_dataset_folder(folder, {split: rows(split) for split in splits}, schema())

    # Statistics and card
    of_splits = {s: {**counts[s], "combinations": dict(combinations[s].most_common())} for s in splits}
    statistics = {"splits": of_splits, "stories": dict(stories.counts)}
    if summaries is not None:
        asked = {name: getattr(summaries.tally, name) for name in ("asked", "reused", "failed")}
        output.record(summaries=asked, tokens=dict(summaries.tokens))
        if missing := summaries.missing.total():
            print(f"{missing:,} stories have no summary (most often: {summaries.missing.most_common(1)[0][0]})")
    output.record(**statistics)
    write_text(folder / "statistics.json", json.dumps(statistics, indent=2, ensure_ascii=False) + "\n")
    sample = samples[0] if samples else None
    texts = [row["text"] for row in samples]
    write_card(folder, dataset_card("instructions", recipe, statistics=statistics, sample=sample, texts=texts))
    train, held_back = (counts[split]["examples"] for split in ("train", "validation"))
    print(f"{train:,} training instructions and {held_back:,} held-back ones are in {folder}")
    if recipe.file and recipe.file.with_name(PHASES["sft"].recipe).is_file():
        print(f"next: {next_command(recipe, 'sft', '--dataset', folder)}")
    else:
        print(f"to tune a model on them, see {command_line('sft', '--help')} for the keys")


class RequestWriter:
    """Turns a story into the rows of an instruction dataset."""

    def __init__(self, types: dict[str, InstructionType], args: InstructionArguments) -> None:
        self.types = types
        self.seed = args.seed
        self.openers = tuple(args.openers) or OPENERS
        self.hold_out = set(args.hold_out)
        self.language = base(args.language or ENGLISH)

    def rows(
        self, stories: Iterable[Story], examples: int, *, split: str, summaries: Any | None = None
    ) -> Iterator[dict[str, Any]]:
        """Up to `examples` different requests for each story."""
        if summaries is not None:
            stories = summaries.fill(stories, lambda story: self.wants_summary(story, examples, split))
        for story in stories:
            prompts: set[str] = set()
            for k in range(examples):
                row = self.row(story, k, split)
                if row is not None and row["prompt"][0]["content"] not in prompts:
                    prompts.add(row["prompt"][0]["content"])
                    yield row

    def row(self, story: Story, k: int, split: str) -> dict[str, Any] | None:
        """The `k`-th request for a story, or None if the story has nothing to ask for."""
        rng, drawn, others = self._draw(story, k, split)
        asked_for_words = bool(story.words)
        if not asked_for_words:
            story = replace(story, words=content_words(story.text, rng, language=self.language))
        lines = {name: line for name in drawn if (line := self.types[name].write(story, rng))}
        for name in others:
            if lines:
                break
            lines = {name: line} if (line := self.types[name].write(story, rng)) else {}
        if len(lines) < (len(self.hold_out) if split == "held_out" else 1):
            return None
        request = "\n".join(filter(None, [rng.choice(self.openers), *lines.values()]))
        prompt = [{"role": "user", "content": request}]
        completion = [{"role": "assistant", "content": story.text}]
        return {
            "prompt": prompt,
            "completion": completion,
            "messages": prompt + completion,
            "types": sorted(lines),
            "words": list(story.words) if asked_for_words or "words" in lines else [],
            "features": list(story.features),
            "summary": story.summary,
            "text": story.text,
            "story_id": story.story_id,
        }

    def wants_summary(self, story: Story, examples: int, split: str) -> bool:
        """Whether one of the story's requests will contain its summary; otherwise no LLM call is needed."""
        drawn = (name for k in range(examples) for name in self._draw(story, k, split)[1])
        return any(self.types[name].needs_summary for name in drawn)

    def _draw(self, story: Story, k: int, split: str) -> tuple[random.Random, list[str], list[str]]:
        """The random generator of an example, the types drawn for it, and the other types, in random order."""
        rng = random.Random(f"{self.seed}\0{story.story_id}\0{k}")
        order = sorted(self.types)
        rng.shuffle(order)
        if split == "held_out":
            return rng, [name for name in order if name in self.hold_out], []
        drawn = [name for name in order if rng.random() < self.types[name].config.probability]
        if self.hold_out and self.hold_out <= set(drawn):
            drawn.remove(rng.choice(sorted(self.hold_out)))
        return rng, drawn, [name for name in order if name not in drawn]


def schema() -> Any:
    """The columns of an instruction dataset."""
    import pyarrow as pa

    messages = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    columns = dict.fromkeys(("prompt", "completion", "messages"), messages)
    columns |= dict.fromkeys(("types", "words", "features"), pa.list_(pa.string()))
    return pa.schema(columns | dict.fromkeys(("summary", "text", "story_id"), pa.string()))
