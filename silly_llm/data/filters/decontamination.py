"""Decontamination: stories that share a run of words with an evaluation set are refused, as in GPT-3 (Brown et al. 2020, appendix C).

There a text is contaminated by one n-gram of 13 words; lm-eval and datatrove do the same. Of the evaluation set only 8 bytes an n-gram are
kept: the hash of n words is a polynomial of the words' hashes, modulo 2^64 (after Karp & Rabin 1987).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.lookup import looked_for
from silly_llm.core.registry import register
from silly_llm.data.filters.base import Story, StoryFilter, check_share
from silly_llm.data.sources import EVALUATION_SPLITS, DataProvider, open_source
from silly_llm.text.words import lower_words

if TYPE_CHECKING:
    import numpy as np

_BASE = 0x9E3779B97F4A7C15  # any odd number: multiplying by it loses nothing
_UNKNOWN = 0xD1B54A32D192ED03
"""The hash of every word that the evaluation set lacks: no run with such a word is in it."""


@dataclass(frozen=True)
class DecontaminationConfig:
    """Which texts stories must not repeat."""

    dataset: str | dict[str, Any] | list[Any]
    """The evaluation set: whatever a recipe's `dataset:` may be, or a YAML file with a list of prompts."""
    split: str | None = None
    """Default: the first of validation, test, train that it has, as evaluation takes."""
    column: str | list[str] = "text"
    """Column or columns of text (strings or lists of strings)."""
    ngram: int = 13
    """Words in a run that must not be shared; in scripts without spaces, letters. A text with fewer must not occur as a whole."""
    min_words: int = 5
    """Texts with fewer words are left out: stories share such phrases by chance."""
    max_matches: int = 0
    """Shared runs that are allowed, for corpora with set phrases."""
    max_share: float = 0.0
    """Share of a story's runs that may be shared."""

    def __post_init__(self) -> None:
        check_share(self, "max_share")
        if self.ngram < 1 or self.min_words < 1 or self.max_matches < 0:
            raise RecipeError("ngram and min_words must be at least 1, max_matches must not be negative")
        if not self.column:
            raise RecipeError("column: name at least one")
        sources_of(self.dataset)


@register("story_filter", "decontamination")
class DecontaminationFilter(StoryFilter):
    """Refuses stories that share a run of 13 words with an evaluation set (`dataset:`)."""

    def __init__(self, config: DecontaminationConfig) -> None:
        self.config = config
        self.sources = sources_of(config.dataset)

    @staticmethod
    def inputs(options: dict[str, Any]) -> Sequence[str]:
        sources = sources_of(options["dataset"])
        return [path for s in sources for path in ([str(s)] if isinstance(s, Path) else s.inputs())]

    def refuse(self, story: Story) -> str | None:
        words = lower_words(story["text"])
        allowed = max(self.config.max_matches, self.config.max_share * (len(words) - self.config.ngram + 1))
        return "shares words with an evaluation text" if self.runs.count(words) > allowed else None

    @cached_property
    def runs(self) -> NgramIndex:
        """The runs of the evaluation set; read when the first story comes, in the process that filters.

        Raises:
            RecipeError: it has no such split or column, or no text long enough.
        """
        shortest = min(self.config.min_words, self.config.ngram)
        runs = NgramIndex(self.config.ngram, (w for text in self.texts() if len(w := lower_words(text)) >= shortest))
        if not runs.known:
            raise RecipeError(f"decontamination: {self.config.dataset!r} has no text of at least {shortest} words")
        return runs

    def texts(self) -> Iterator[str]:
        """The texts of the evaluation set."""
        for source in self.sources:
            yield from read_prompts(source) if isinstance(source, Path) else self._read(source)

    def _read(self, source: DataProvider) -> Iterator[str]:
        splits = source.splits()
        records = source.load(self.config.split or next((s for s in EVALUATION_SPLITS if s in splits), splits[0]))
        known = records.column_names
        columns = [self.config.column] if isinstance(self.config.column, str) else self.config.column
        for column in columns:
            if column not in known:
                raise RecipeError(
                    f"decontamination: column: {self.config.dataset!r} has no column {column!r}"
                    f"{suggestion(column, known)}; it has {', '.join(known)}"
                )
            for value in records.select_columns([column]):
                yield from strings(value[column])


class NgramIndex:
    """The runs of words of some texts, as sorted hashes by length.

    Args:
        length: words in a run; a text with fewer is one run.
        texts: the words of each text.
    """

    def __init__(self, length: int, texts: Iterable[tuple[str, ...]]) -> None:
        import numpy as np

        self._of_word: dict[str, int] = {}
        found: dict[int, list[np.ndarray]] = {}
        for words in texts:
            self._of_word.update((word, word_hash(word)) for word in words if word not in self._of_word)
            size = min(length, len(words))
            found.setdefault(size, []).extend(hashes for n, hashes in self._hashes(words, size) if n == size)
        self.known = {n: np.unique(np.concatenate(found[n])) for n in sorted(found)}
        """By the number of words: uint64 [runs], sorted."""

    def count(self, words: tuple[str, ...]) -> int:
        """How many runs of `words` are known."""
        import numpy as np

        matches = 0
        for length, hashes in self._hashes(words, min(max(self.known), len(words))):
            if (known := self.known.get(length)) is not None:
                places = np.searchsorted(known, hashes)
                places[places == len(known)] = 0
                matches += int(np.count_nonzero(known[places] == hashes))
        return matches

    def _hashes(self, words: tuple[str, ...], longest: int) -> Iterator[tuple[int, np.ndarray]]:
        """For every length up to `longest` the hashes, uint64 [len(words) - length + 1], of all runs of that length."""
        import numpy as np

        of_word = self._of_word.get
        each = np.array([of_word(word, _UNKNOWN) for word in words], np.uint64)
        hashes = np.zeros(len(words) + 1, np.uint64)
        for length in range(1, longest + 1):
            hashes = hashes[:-1] * np.uint64(_BASE) + each[length - 1 :]
            yield length, hashes


def sources_of(dataset: Any) -> list[Path | DataProvider]:
    """The YAML files and data providers that `dataset` names; reads nothing. Of a list each one counts in full, whatever its weight.

    Raises:
        RecipeError: there is no such file, or no such component.
    """
    if isinstance(dataset, list) and dataset:
        return [source for part in dataset for source in sources_of(part)]
    if isinstance(dataset, dict) and "dataset" in dataset:
        return sources_of(dataset["dataset"])
    if not isinstance(dataset, str) or not dataset.endswith((".yaml", ".yml")):
        return [open_source(dataset)]
    path = Path(dataset).expanduser()
    if not path.is_file():
        near = suggestion(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""
        raise RecipeError(f"dataset: no such file: {dataset!r}{near}{looked_for(path)}")
    return [path]


def read_prompts(path: Path) -> Iterator[str]:
    """The texts of a YAML list.

    Raises:
        RecipeError: it is something else.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"dataset: {path}: is not YAML ({' '.join(str(error).split())[:100]})") from None
    if not isinstance(content, list) or not all(isinstance(text, str) for text in content):
        raise RecipeError(f"dataset: {path}: expected a list of texts")
    yield from content


def strings(value: Any) -> Iterator[str]:
    """A string, or all those of a list."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def word_hash(word: str) -> int:
    """64 bits of a word, the same in every process."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
