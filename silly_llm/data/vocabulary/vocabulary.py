"""Phase 1a: a vocabulary of nouns, verbs and adjectives that a small child knows.

Requests words from the provider by part of speech, checks each one, records why others were refused, and continues until there are
enough or no new ones come. Words already in the output folder (made with the same seed and teacher) or in `extend:` are kept; only
missing ones are requested. The parts of speech are requested concurrently, each in an order that depends on (seed, number of the
request).
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.config import Options, Recipe, load_recipe
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.launch import next_command
from silly_llm.core.registry import Parsed, parse_component
from silly_llm.data.arguments import VocabularyArguments
from silly_llm.data.vocabulary.lists import (
    FILE_NAME,
    PARTS_OF_SPEECH,
    RefusedWord,
    Vocabulary,
    load_vocabulary,
    local_path,
)
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider

if TYPE_CHECKING:
    from silly_llm.asking.engine import Engine

KEPT = "journal-kept.json"
"""The words that an interrupted run started with."""
NAMED_IN_PROMPT = 100
"""Number of known words that a prompt asks not to repeat."""
_THEMES = (
    "the house; the kitchen and food; animals; the garden and nature; the body and clothes; toys and play; family and friends; the "
    "street and travel; weather and seasons; feelings; school and learning; the farm; the sea; music and art; bedtime and dreams; "
    "sports and moving; colours, shapes and sizes; work and tools; holidays; fairy tales"
)
THEMES = _THEMES.split("; ")
PROMPT = """\
List {count} different {language} {plural} that a three or four year old child knows and uses. Think of {theme}. \
Give {form}, in lower case. {layout}No numbering, no explanations, no names.{but}"""
SCHEMA = {
    "type": "object",
    "properties": {"words": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
    "required": ["words"],
    "additionalProperties": False,
}
"""JSON schema of an answer."""
FORMS = {
    "noun": "each noun in the singular",
    "verb": "each verb in its base form, as in a dictionary",
    "adjective": "each adjective in its plain form",
}


@dataclass
class Search:
    """The search for words of one part of speech."""

    pos: str
    wanted: int
    accepted: list[str] = field(default_factory=list)
    refused: dict[str, tuple[str, ...]] = field(default_factory=dict)
    requests: int = 0

    @property
    def missing(self) -> int:
        return self.wanted - len(self.accepted)

    def consider(self, words: Iterable[str], args: VocabularyArguments) -> None:
        """Accept or refuse words in turn, until there are enough."""
        from silly_llm.data.vocabulary.checks import reasons_to_refuse

        for word in words:
            if word in self.accepted or word in self.refused or not self.missing:
                continue
            if reasons := reasons_to_refuse(word, self.pos, args.checks, args.language):
                self.refused[word] = reasons
            else:
                self.accepted.append(word)


ARGUMENTS = VocabularyArguments


def check_components(args: VocabularyArguments) -> Parsed:
    """The provider, which exists and accepts the options given; builds nothing."""
    return parse_component("llm_provider", args.provider, where="provider:")


def main(argv: list[str] | Options | None = None, *, container: Container | None = None) -> None:
    """Make a vocabulary according to the recipe."""
    from silly_llm.core.folders.output import open_output

    recipe = load_recipe(argv, phase="vocabulary", arguments=VocabularyArguments)
    args = recipe.args
    try:
        teacher = check_components(args)
        kept = [load_vocabulary(args.extend)] if args.extend else []
        extended = local_path(args.extend) if args.extend else None
    except RecipeError as error:
        raise RecipeError(f"{recipe.where}: {error}") from None
    earlier = None if recipe.options.force else earlier_words(Path(args.output_dir))
    with container or Container() as container:
        with open_output(recipe, inputs=[extended or args.extend]) as output:
            if output.up_to_date:
                print(f"{output.folder} is up to date")
                return
            provider = container.build("llm_provider", teacher, as_type=LLMProvider)
            asked = {"provider": teacher.name, "model": provider.model}
            source: dict[str, Any] = {**asked, "seed": args.seed}
            if earlier and not source.items() <= earlier.provenance.items():
                print(f"{output.folder}: its words have a different seed or teacher and are not kept", flush=True)
                (output.folder / KEPT).unlink(missing_ok=True)
            elif earlier:
                kept.append(earlier)
                if not (output.folder / KEPT).exists():
                    earlier.save(output.folder / KEPT)

            # Existing words, then the missing ones
            searches = [Search(pos, wanted) for pos, wanted in shares(args.words, args.proportions).items()]
            for search in searches:
                for vocabulary in reversed(kept):
                    search.consider(vocabulary.of(search.pos), args)
                    known = {r.word: r.reasons for r in vocabulary.refused if r.pos == search.pos}
                    search.refused = known | search.refused
            started_with = sum(len(search.accepted) for search in searches)
            asyncio.run(ask(searches, provider, args, output.folder))
            if empty := [PARTS_OF_SPEECH[s.pos] for s in searches if s.wanted and not s.accepted]:
                raise RunError(f"{provider.model}: gave no usable {', '.join(empty)}")

            # Write
            words = {PARTS_OF_SPEECH[s.pos]: tuple(s.accepted) for s in searches}
            refused = tuple(RefusedWord(word, s.pos, why) for s in searches for word, why in s.refused.items())
            requests = sum(search.requests for search in searches)
            source |= {"kept_from_before": started_with, "requests": requests}
            Vocabulary(**words, refused=refused, provenance=source).save(output.folder / FILE_NAME)
            (output.folder / KEPT).unlink(missing_ok=True)
            counts = {key: len(accepted) for key, accepted in words.items()}
            output.record(words=counts, refused=len(refused), teacher=asked)
        report(recipe, searches, started_with)


def earlier_words(folder: Path) -> Vocabulary | None:
    """The existing vocabulary in the output folder, preferably the one that an interrupted run started with."""
    for name in (KEPT, FILE_NAME):
        if (folder / name).is_file():
            try:
                return load_vocabulary(folder / name)
            except RecipeError:
                continue  # truncated or empty: it is made again
    return None


def shares(words: int, proportions: dict[str, float]) -> dict[str, int]:
    """The number of words per part of speech: proportional, rounded so that they add up."""
    total = sum(proportions.values())
    exact = {pos: words * proportions.get(key, 0) / total for pos, key in PARTS_OF_SPEECH.items()}
    counts = {pos: int(share) for pos, share in exact.items()}
    by_remainder = sorted(exact, key=lambda pos: counts[pos] - exact[pos])
    for pos in by_remainder[: words - sum(counts.values())]:
        counts[pos] += 1
    return counts


async def ask(searches: Sequence[Search], provider: LLMProvider, args: VocabularyArguments, folder: Path) -> None:
    """Request the missing words of all parts of speech.

    Raises:
            RunError: requests fail; the answers so far are in the journal.
    """
    from silly_llm.asking.engine import Engine
    from silly_llm.asking.journal import JOURNAL, Journal

    with nullcontext() if provider.free else Journal(folder / JOURNAL) as journal:
        try:
            await provider.prepare()
            engine = Engine(provider, journal)
            await asyncio.gather(*(search_words(search, engine, args) for search in searches))
            if journal is not None:
                journal.sync()
        finally:
            await provider.aclose()


async def search_words(search: Search, engine: Engine, args: VocabularyArguments) -> None:
    """Request words of one part of speech repeatedly, until there are enough or no new ones come."""
    fruitless = 0
    while search.missing and fruitless < args.patience:
        request = word_request(search, args, structured=engine.provider.structured)
        search.requests += 1
        (answer,) = await engine.ask([request])
        if not isinstance(answer, Completion):
            raise RunError(f"{answer.reason}; the words found so far are kept; run the same command to continue")
        before = len(search.accepted)
        search.consider(parse_words(answer.text), args)
        fruitless = 0 if len(search.accepted) > before else fruitless + 1


def word_request(search: Search, args: VocabularyArguments, *, structured: bool = False) -> ChatRequest:
    """The next request for words of a part of speech, with a JSON schema if the provider accepts one."""
    draw = random.Random(f"{args.seed}:{search.pos}:{search.requests}")
    count = min(args.words_per_request, max(10, 2 * search.missing))
    known = draw.sample(search.accepted, min(NAMED_IN_PROMPT, len(search.accepted)))
    text = PROMPT.format(
        count=count,
        language="English" if args.language == "en" else f"(ISO 639 language {args.language!r})",
        plural=PARTS_OF_SPEECH[search.pos],
        theme=draw.choice(THEMES),
        form=FORMS[search.pos],
        but=f" Do not repeat these: {', '.join(sorted(known))}." if known else "",
        layout='Answer as JSON: {"words": ["…"]}. ' if structured else "One word per line. ",
    )
    exclude = [*search.accepted, *search.refused]
    return ChatRequest(
        messages=({"role": "user", "content": text},),
        schema=SCHEMA if structured else None,
        seed=draw.randrange(2**31),
        max_tokens=args.max_tokens,
        temperature=args.temperature,
        fields={"task": "vocabulary", "pos": search.pos, "count": count, "exclude": exclude, "seed": args.seed},
    )


def parse_words(text: str) -> list[str]:
    """The words of an answer: JSON (a list, or a mapping with one), one per line, or comma-separated; bullets and numbers are removed.

    Anything longer than a word is left unchanged, so that the format check can refuse it with its reason.
    """
    text = re.sub(r"^\s*```(?:json)?|```\s*$", "", text.strip()).strip()
    try:
        content = json.loads(text)
        if isinstance(content, dict):
            content = next((value for value in content.values() if isinstance(value, list)), [])
        items = [item for item in content if isinstance(item, str)] if isinstance(content, list) else []
    except ValueError:
        lines = [line for line in text.splitlines() if not line.rstrip().endswith(":")]
        items = [item for line in lines for item in line.split(",")]
    words = [re.sub(r"^[\s\-*•\d.)(\"'`]+|[\s.;:!\"'`*]+$", "", item).lower() for item in items]
    return list(dict.fromkeys(word for word in words if 0 < len(word) <= 40))


def report(recipe: Recipe[VocabularyArguments], searches: Sequence[Search], started_with: int) -> None:
    """Print what was made, where it is, and the next command."""
    counts = ", ".join(f"{len(search.accepted)} {PARTS_OF_SPEECH[search.pos]}" for search in searches)
    refused = sum(len(search.refused) for search in searches)
    kept = f", {started_with} of them from before" if started_with else ""
    path = Path(recipe.args.output_dir) / FILE_NAME
    print(f"{sum(len(s.accepted) for s in searches)} words in {path}: {counts}{kept}; {refused} refused")
    for s in searches:
        if s.missing:
            print(f"{PARTS_OF_SPEECH[s.pos]}: no new words came, {s.missing} of {s.wanted} are missing")
    print(f"next: {next_command(recipe, 'generate', '--vocabulary', path)}")
