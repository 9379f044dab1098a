"""Phase 3: an instruction dataset from stories.

Each example asks for a story by a random subset of instruction types (words it contains, one of its sentences, its
features, its summary: TinyStories, section 6) and answers with the story itself. Every choice derives from
``(seed, story, k)``, so the order of the stories, restarts and the number of processes change nothing.

The split leaks nothing: it is by story, by the dataset's own validation split where it has one, else by a hash of
the text; a training story that is also a validation story is left out; and a validation request never quotes a
sentence or a summary that stands in the training stories. For that the training sentences are kept in a Bloom
filter of fixed size, so memory stays flat.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from silly_llm.cli import run_main
from silly_llm.config import load_recipe
from silly_llm.container import Container
from silly_llm.data.instruction_arguments import InstructionArguments
from silly_llm.data.instruction_types import OPENERS, InstructionType, Story, content_words, split_sentences
from silly_llm.data.progress import Progress
from silly_llm.errors import RecipeError
from silly_llm.registry import config_of, split_type


def main(argv: list[str] | None = None, *, container: Container | None = None) -> None:
    """Read the recipe, split the stories, write the requests, publish when asked."""
    recipe = load_recipe(argv, phase="instruct", arguments=InstructionArguments)
    args = recipe.args
    for i, spec in enumerate(args.types):
        config_of("instruction_type", spec, where=f"{recipe.where}: types[{i}]:")
    if args.provider is not None:
        config_of("llm_provider", args.provider, where=f"{recipe.where}: provider:")

    from silly_llm.cards import dataset_card, write_card
    from silly_llm.data.folder import write_dataset_folder
    from silly_llm.data.sources import open_source
    from silly_llm.data.summaries import SummaryWriter
    from silly_llm.output import open_output, write_text
    from silly_llm.providers.base import LLMProvider

    stories = StorySplit.load(args)
    inputs = open_source(args.dataset).inputs()
    with container or Container() as services, open_output(recipe, inputs=inputs) as output:
        if output.up_to_date:
            print(f"{args.output_dir} is up to date")
            return
        # Components
        types: dict[str, InstructionType] = {
            split_type("instruction_type", t)[0]: services.build("instruction_type", t) for t in args.types
        }
        writer = RequestWriter(types, args)

        # Split by story
        stories.scan()

        # Requests, with summaries that the dataset lacks
        statistics: dict[str, Counter] = {}
        samples: list[dict[str, Any]] = []
        splits = {"train": args.examples_per_story, "validation": 1}
        if args.hold_out:
            splits["held_out"] = 1
        with ExitStack() as stack:
            summaries = None
            if args.provider is not None:
                provider = services.build("llm_provider", args.provider, as_type=LLMProvider)
                summaries = stack.enter_context(SummaryWriter(provider, args.output_dir, seed=args.seed))

            def rows(split: str) -> Iterator[dict[str, Any]]:
                told = stories.stories("train" if split == "train" else "validation")
                made = writer.rows(told, splits[split], split=split, summaries=summaries)
                return count_rows(made, statistics.setdefault(split, Counter()), samples)

            write_dataset_folder(args.output_dir, {split: rows(split) for split in splits}, schema())

        # Statistics and card
        summary = {
            "splits": {split: nested(counts) for split, counts in statistics.items()},
            "stories": dict(stories.counts),
        }
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        write_text(Path(args.output_dir) / "statistics.json", text)
        sample = samples[0] if samples else None
        write_card(args.output_dir, dataset_card("instructions", recipe, statistics=summary, sample=sample))
        output.record(**summary)
        if summaries is not None:
            output.record(summaries_asked=summaries.tally.asked, summaries_failed=summaries.tally.failed)
            output.record(tokens=summaries.tokens)
    print(
        f"{statistics['train']['examples']:,} instructions to train on and {statistics['validation']['examples']:,} "
        f"held back are in {args.output_dir}\n"
        f"next: silly-llm sft --model_name_or_path MODEL --dataset {args.output_dir}"
    )


class StorySplit:
    """The stories of a dataset, split by story."""

    def __init__(self, train: Any, validation: Any | None, *, fraction: float, seed: int) -> None:
        self.source = {"train": train, "validation": validation}
        self.own_split = validation is not None
        self.fraction = fraction
        self.seed = seed
        self.counts: Counter = Counter()
        self._validation_ids: set[str] = set()
        self._trained_on = SeenTexts()

    @classmethod
    def load(cls, args: InstructionArguments) -> StorySplit:
        """Open the dataset of a recipe; nothing is read but what its columns are called."""
        from silly_llm.data.sources import open_source

        source = open_source(args.dataset)
        train = source.load("train")
        if "text" not in train.column_names:
            raise RecipeError(
                f"dataset: needs a column 'text', has {', '.join(train.column_names) or 'none'}"
            )
        validation = source.load("validation") if "validation" in source.splits() else None
        return cls(train, validation, fraction=args.validation_fraction, seed=args.seed)

    def scan(self) -> None:
        """First pass: decide which stories are held back, and remember what the others say."""
        lowest: tuple[float, str] | None = None
        if self.own_split:
            self._validation_ids.update(story.story_id for story in read_stories(self.source["validation"]))
        for story in self._watched("train", "stories read"):
            if not self.own_split:
                position = self._position(story.story_id)
                if position < self.fraction:
                    self._validation_ids.add(story.story_id)
                if lowest is None or position < lowest[0]:
                    lowest = position, story.story_id
        if lowest and not self._validation_ids:
            self._validation_ids.add(lowest[1])  # few stories: hold back one all the same
        for story in self._watched("train", "stories remembered"):
            if story.story_id not in self._validation_ids:
                self._trained_on.add(story.summary or "")
                for sentence in split_sentences(story.text):
                    self._trained_on.add(sentence)

    def stories(self, split: str) -> Iterator[Story]:
        """The stories of a split (`train` or `validation`), in the dataset's order, each text once in validation."""
        held_back = split == "validation"
        done: set[str] = set()
        source = "validation" if self.own_split and held_back else "train"
        counts: Counter = Counter()
        for story in self._watched(source, f"stories for {split}"):
            if (story.story_id in self._validation_ids) != held_back:
                counts["train_stories_left_out_because_in_validation"] += self.own_split
                continue
            if held_back:
                if story.story_id in done:
                    continue
                done.add(story.story_id)
                story = replace(story, seen=self._trained_on.__contains__)
            counts[split] += 1
            yield story
        self.counts |= counts

    def _watched(self, source: str, unit: str) -> Iterator[Story]:
        with Progress(len(self.source[source]), unit) as progress:
            yield from read_stories(self.source[source], progress)

    def _position(self, story_id: str) -> float:
        digest = hashlib.sha256(f"{self.seed}\0split\0{story_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


class SeenTexts:
    """A Bloom filter of texts: 64 MiB however many there are; false positives below 1 % up to 50 million."""

    BITS = 2**29

    def __init__(self) -> None:
        self._bits = bytearray(self.BITS // 8)

    def add(self, text: str) -> None:
        for position in self._positions(text):
            self._bits[position >> 3] |= 1 << (position & 7)

    def __contains__(self, text: str) -> bool:
        return all(self._bits[position >> 3] >> (position & 7) & 1 for position in self._positions(text))

    def _positions(self, text: str) -> list[int]:
        digest = hashlib.blake2b(" ".join(text.split()).encode(), digest_size=24).digest()
        return [int.from_bytes(digest[i : i + 8], "big") % self.BITS for i in (0, 8, 16)]


class RequestWriter:
    """Turns a story into the rows of an instruction dataset."""

    def __init__(self, types: dict[str, InstructionType], args: InstructionArguments) -> None:
        self.types = types
        self.seed = args.seed
        self.hold_out = set(args.hold_out)

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
        """The `k`-th request for a story, or None when the story has nothing that could be asked for."""
        rng, drawn, others = self._draw(story, k, split)
        asked_for_words = bool(story.words)
        if not asked_for_words:
            story = replace(story, words=content_words(story.text, rng))
        lines = {name: line for name in drawn if (line := self.types[name].write(story, rng))}
        if split == "held_out":
            if len(lines) < len(self.hold_out):
                return None
        elif not lines:
            found = ((name, self.types[name].write(story, rng)) for name in others)
            lines = dict([next(((name, line) for name, line in found if line), ("", ""))])
            if "" in lines:
                return None
        request = "\n".join(filter(None, [rng.choice(OPENERS), *lines.values()]))
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
        """Whether one of the story's requests will contain its summary; nothing else is worth an LLM's time."""
        drawn = (name for k in range(examples) for name in self._draw(story, k, split)[1])
        return any(self.types[name].needs_summary for name in drawn)

    def _draw(self, story: Story, k: int, split: str) -> tuple[random.Random, list[str], list[str]]:
        """The generator of an example, the types drawn for it, and the other types, in random order."""
        rng = random.Random(f"{self.seed}\0{story.story_id}\0{k}")
        order = sorted(self.types)
        rng.shuffle(order)
        if split == "held_out":
            return rng, [name for name in order if name in self.hold_out], []
        drawn = [name for name in order if rng.random() < self.types[name].config.probability]
        if self.hold_out and self.hold_out <= set(drawn):
            drawn.remove(rng.choice(sorted(self.hold_out)))
        return rng, drawn, [name for name in order if name not in drawn]


def read_stories(records: Iterable[dict[str, Any]], progress: Progress | None = None) -> Iterator[Story]:
    """Records with a `text` (and `words`, `features`, `summary` where they have them) as stories; empty texts go."""
    for record in records:
        if progress is not None:
            progress.update()
        text = (record["text"] or "").strip()
        if text:
            yield Story(
                text=text,
                story_id=story_id(text),
                words=listed(record.get("words")),
                features=listed(record.get("features")),
                summary=(record.get("summary") or "").strip() or None,
            )


def story_id(text: str) -> str:
    """What tells stories apart: a hash of the text, whatever its white space and capitals."""
    return hashlib.sha256(" ".join(text.lower().split()).encode()).hexdigest()[:32]


def listed(value: Sequence[str] | str | None) -> tuple[str, ...]:
    """A list column, or one that holds its items in a text with commas."""
    items = value.split(",") if isinstance(value, str) else value or ()
    return tuple(item.strip() for item in items if item and item.strip())


def schema() -> Any:
    """The columns of an instruction dataset."""
    import pyarrow as pa

    messages = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    return pa.schema(
        [
            ("prompt", messages),
            ("completion", messages),
            ("messages", messages),
            ("types", pa.list_(pa.string())),
            ("words", pa.list_(pa.string())),
            ("features", pa.list_(pa.string())),
            ("summary", pa.string()),
            ("text", pa.string()),
            ("story_id", pa.string()),
        ]
    )


def count_rows(
    rows: Iterable[dict[str, Any]], counts: Counter, samples: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Pass rows on, count what they ask for, and keep the first one as a sample."""
    for row in rows:
        if not samples:
            samples.append(row)
        counts["examples"] += 1
        counts["types", " + ".join(row["types"])] += 1
        counts["words_in_answers"] += len(row["text"].split())
        yield row


def nested(counts: Counter) -> dict[str, Any]:
    """Counts as a plain mapping, the combinations of types by how common they are."""
    plain = {key: value for key, value in counts.items() if isinstance(key, str)}
    combinations = {key[1]: value for key, value in counts.most_common() if isinstance(key, tuple)}
    return plain | {"combinations": combinations}


if __name__ == "__main__":
    run_main(main)
