"""No story that an evaluation knows: word n-grams shared with evaluation texts (Brown et al. 2020, appendix C)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from silly_llm.data.filters import Story, StoryFilter
from silly_llm.errors import RecipeError
from silly_llm.registry import register
from silly_llm.text.words import lower_words


@dataclass(frozen=True)
class DecontaminationConfig:
    """What is evaluated on, and what overlap is too much."""

    dataset: str | dict[str, Any] | list[Any]
    """The evaluation texts: whatever `dataset:` takes in a recipe."""
    column: str = "text"
    ngram: int = 13
    """Words in a row that must not be shared; a shorter evaluation text must not occur as a whole."""
    max_matches: int = 0
    """Shared n-grams that are allowed, for corpora with set phrases."""

    def __post_init__(self) -> None:
        from silly_llm.data.sources import open_source

        if self.ngram < 1 or self.max_matches < 0:
            raise RecipeError("ngram must be at least 1, max_matches must not be negative")
        open_source(self.dataset)


@register("story_filter", "decontamination")
class DecontaminationFilter(StoryFilter):
    """Refuses stories that share 13 words in a row with an evaluation text."""

    def __init__(self, config: DecontaminationConfig) -> None:
        from silly_llm.data.sources import EVALUATION_SPLITS, load_records

        self.config = config
        records = load_records(config.dataset, split=EVALUATION_SPLITS)
        if config.column not in records.column_names:
            known = ", ".join(records.column_names)
            raise RecipeError(f"decontamination: dataset: no column {config.column!r} (has: {known})")
        self.known: set[int] = set()
        """Hashes of n-grams of evaluation texts, and of whole texts that are shorter."""
        self.lengths: set[int] = set()
        """In how many words they come."""
        for text in records[config.column]:
            words = lower_words(text or "")
            size = min(config.ngram, len(words))
            if size:
                self.known.update(ngrams(words, size))
                self.lengths.add(size)

    def refuse(self, story: Story) -> str | None:
        words = lower_words(story["text"])
        matches = 0
        for size in self.lengths:
            matches += sum(gram in self.known for gram in ngrams(words, size))
            if matches > self.config.max_matches:
                return "shares words with an evaluation text"
        return None

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        """Files and Hub ids that the decision depends on."""
        from silly_llm.data.sources import open_source

        return open_source(options["dataset"]).inputs()


def ngrams(words: Sequence[str], size: int) -> Iterator[int]:
    """The hash of each run of `size` words; equal within this process only."""
    return (hash(tuple(words[i : i + size])) for i in range(len(words) - size + 1))
