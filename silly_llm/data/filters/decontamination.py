"""Decontamination: stories that share a run of words with an evaluation set are refused, as in GPT-3 (Brown et al. 2020, appendix C).

There, a text is contaminated if it shares one n-gram of 13 words; lm-eval and datatrove do the same.
"""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from silly_llm.core.errors import RecipeError, first_line
from silly_llm.core.lookup import find
from silly_llm.core.registry import register
from silly_llm.data.filters.base import Story, StoryFilter, check_share
from silly_llm.data.rows import no_column
from silly_llm.data.sources import EVALUATION_SPLITS, DataProvider, load_records, open_source
from silly_llm.text.words import lower_words


@register("story_filter", "decontamination")
@dataclass(kw_only=True)
class DecontaminationFilter(StoryFilter):
    """Refuses stories that share a run of 13 words with an evaluation set (`dataset:`)."""

    dataset: str | dict[str, Any] | list[Any]
    """The evaluation set: anything accepted as a recipe's `dataset:`, or a YAML file with a list of prompts."""
    split: str | None = None
    """Default: the first of validation, test, train that exists, as in evaluation."""
    column: str | list[str] = "text"
    """Column or columns of text (strings or lists of strings)."""
    ngram: int = 13
    """Length in words of a run that must not be shared; in scripts without spaces, in letters. A shorter text must not occur as a whole."""
    min_words: int = 5
    """Texts with fewer words are ignored: stories share such phrases by chance."""
    max_matches: int = 0
    """Number of shared runs allowed, for corpora with set phrases."""
    max_share: float = 0.0
    """Share of a story's runs that may be shared."""

    def __post_init__(self) -> None:
        check_share(self, "max_share")
        if self.ngram < 1 or self.min_words < 1 or self.max_matches < 0:
            raise RecipeError("ngram and min_words must be at least 1, max_matches must not be negative")
        if not self.column:
            raise RecipeError("column: name at least one")
        self.sources = sources_of(self.dataset)

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        sources = sources_of(options["dataset"])
        return [path for s in sources for path in ([str(s)] if isinstance(s, Path) else s.inputs())]

    def refuse(self, story: Story) -> str | None:
        words = lower_words(story["text"])
        allowed = max(self.max_matches, self.max_share * (len(words) - self.ngram + 1))
        return "shares words with an evaluation text" if self.runs.count(words) > allowed else None

    @functools.cached_property
    def runs(self) -> NgramIndex:
        """The runs of the evaluation set; read for the first story, in the process that filters."""
        shortest = min(self.min_words, self.ngram)
        texts = (text for source in self.sources for text in self._texts(source))
        runs = NgramIndex(self.ngram, (w for text in texts if len(w := lower_words(text)) >= shortest))
        if not runs.known:
            raise RecipeError(f"decontamination: {self.dataset!r} has no text of at least {shortest} words")
        return runs

    def _texts(self, source: Path | DataProvider) -> Iterator[str]:
        if isinstance(source, Path):
            yield from read_prompts(source)
            return
        records = load_records(source, split=self.split or EVALUATION_SPLITS)
        columns = [self.column] if isinstance(self.column, str) else self.column
        for column in columns:
            if column not in records.column_names:
                missing = no_column(column, records.column_names)
                raise RecipeError(f"decontamination: column: {self.dataset!r}: {missing}")
            for value in records[column]:
                texts = [value] if isinstance(value, str) else [] if value is None else value
                if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                    wrong = f"{column!r} must be texts or lists of texts, got {value!r:.80}"
                    raise RecipeError(f"decontamination: column: {self.dataset!r}: {wrong}")
                yield from texts


class NgramIndex:
    """The word runs of some texts, as sorted 64-bit hashes by length: 8 bytes each.

    Args:
        length: words per run; a text with fewer is one run.
        texts: the words of each text.
    """

    def __init__(self, length: int, texts: Iterable[tuple[str, ...]]) -> None:
        # Multilinear hashing modulo 2^64 (Lemire & Kaser 2014): a run's hash is the weighted sum of its words' hashes.
        self._weights = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, length) | 1
        found: dict[int, list[np.ndarray]] = defaultdict(list)
        for words in filter(None, texts):
            size = min(length, len(words))
            found[size].append(self._hashes(words, size))
        self.known = {size: np.unique(np.concatenate(found[size])) for size in found}
        """By number of words: int64 [runs], sorted."""

    def count(self, words: tuple[str, ...]) -> int:
        """The number of runs in `words` that are in the set."""
        matches = 0
        for size, known in self.known.items():
            if size <= len(words):
                hashes = self._hashes(words, size)
                places = np.searchsorted(known, hashes).clip(max=len(known) - 1)
                matches += int(np.count_nonzero(known[places] == hashes))
        return matches

    def _hashes(self, words: tuple[str, ...], size: int) -> np.ndarray:
        """The hashes, int64 [len(words) - size + 1], of all runs of `size` words."""
        each = np.fromiter(map(word_hash, words), np.int64, len(words))
        return np.correlate(each, self._weights[:size], "valid")


@functools.lru_cache(maxsize=1 << 16)
def word_hash(word: str) -> int:
    """A 64-bit hash of a word, the same in every process."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big", signed=True)


def sources_of(dataset: Any) -> list[Path | DataProvider]:
    """The YAML files and data providers in `dataset`; reads nothing. Each source of a list counts in full, regardless of its weight."""
    if isinstance(dataset, list) and dataset:
        return [source for part in dataset for source in sources_of(part)]
    if isinstance(dataset, dict) and "dataset" in dataset:
        return sources_of(dataset["dataset"])
    if isinstance(dataset, dict):
        dataset = {key: value for key, value in dataset.items() if key != "weight"}
    if isinstance(dataset, str) and dataset.endswith((".yaml", ".yml")):
        return [Path(find(dataset, "dataset: "))]
    return [open_source(dataset)]


def read_prompts(path: Path) -> list[str]:
    """The texts of a YAML list."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"dataset: {path}: is not YAML ({first_line(error)})") from None
    if not isinstance(content, list) or not all(isinstance(text, str) for text in content):
        raise RecipeError(f"dataset: {path}: expected a list of texts")
    return content
