"""Statistics of a stories dataset, collected while its rows stream by; for the card, `statistics.json` and the report."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import accumulate, islice
from typing import Any

from silly_llm.text.features import FEATURES, detect_features, features_known
from silly_llm.text.inflection import includes_word
from silly_llm.text.languages import ENGLISH, Language
from silly_llm.text.words import count_words, first_words, tokenize_words

SAMPLE = 2_000
"""Number of kept stories, from the first, for the expensive statistics (words and features found, distinct n-grams)."""
TEXTS = 50
"""Number of kept texts that are remembered, for detecting the language."""
OPENING_WORDS = 5
MOST_OPENINGS = 100_000
"""Number of distinct openings that are counted; more would make memory grow with the data."""


class StoryStatistics:
    """Counts over all rows and, for expensive statistics, over the first `SAMPLE` kept ones. Memory is bounded."""

    def __init__(self, language: Language = ENGLISH) -> None:
        self.language = language
        self.features = features_known(language)
        self.splits: Counter[str] = Counter()
        self.rejected = 0
        """Rows that filters refused."""
        self.counts: defaultdict[str, Counter[Any]] = defaultdict(Counter)
        """Counts of rows, by what is counted, such as `models` or `lengths`."""
        self.numbers: Counter[str] = Counter()
        """Sums over rows, such as `prompt_tokens`."""
        self.cost: float | None = None
        self.thinking_is_estimated = False
        self.ngrams: dict[int, set[int]] = {1: set(), 2: set(), 3: set(), 4: set()}
        self.words_used: set[str] = set()
        self.sample: Mapping[str, Any] | None = None
        """The first kept row."""
        self.texts: list[str] = []
        """The first kept texts."""

    def add(self, split: str, row: Mapping[str, Any]) -> None:
        """Count a row of a split."""
        self.splits[split] += 1
        counts, numbers = self.counts, self.numbers
        numbers["prompt_tokens"] += row["prompt_tokens"]
        numbers["completion_tokens"] += row["completion_tokens"]
        if (reasoning := row.get("reasoning_tokens")) is not None:
            numbers["thinking"] += 1
            numbers["reasoning_tokens"] += reasoning
            self.thinking_is_estimated |= bool(row.get("reasoning_estimated"))
        counts["cleaned_by"].update(row.get("cleaned_by") or ())
        counts["models"][row["model"]] += 1
        counts["templates"][row["template"]] += 1
        numbers["asked_again"] += bool(row["attempt"])
        if row["cost"] is not None:
            self.cost = (self.cost or 0.0) + row["cost"]
        if row["rejected_by"]:
            counts["reasons"].update(row["rejected_by"])
            counts["rejected_by"].update(entry.partition(":")[0] for entry in row["rejected_by"])
            self.rejected += 1
            return
        self.words_used.update(row["words"])
        counts["requested"].update(row["features"])
        counts["lengths"][count_words(row["text"])] += 1
        opening, openings = " ".join(first_words(row["text"], OPENING_WORDS).split()), counts["openings"]
        if opening in openings or len(openings) < MOST_OPENINGS:
            openings[opening] += 1
        if numbers["sampled"] < SAMPLE:
            self._add_to_sample(row)

    def _add_to_sample(self, row: Mapping[str, Any]) -> None:
        text, numbers = row["text"], self.numbers
        numbers["sampled"] += 1
        self.sample = self.sample or dict(row)
        if len(self.texts) < TEXTS:
            self.texts.append(text)
        numbers["words_asked"] += len(row["words"])
        numbers["words_found"] += sum(includes_word(text, word, self.language) for word in row["words"])
        found = detect_features(text, self.features)
        self.counts["features_asked"].update(row["features"])
        self.counts["features_found"].update(name for name in row["features"] if name in found)
        words = tokenize_words(text.lower())
        for n, seen in self.ngrams.items():
            grams = [hash(gram) for gram in zip(*(islice(words, i, None) for i in range(n)), strict=False)]
            self.counts["ngrams"][n] += len(grams)
            seen.update(grams)

    def summary(self, vocabulary_size: int | None = None) -> dict[str, Any]:
        """All statistics as plain data (JSON); the same rows give the same summary."""
        counts, numbers = self.counts, self.numbers
        kept = counts["lengths"].total()
        copies = {name: counts["rejected_by"][name] for name in ("duplicates", "near_duplicates")}
        openings = counts["openings"].most_common(10)
        asked = sorted(counts["requested"], key=lambda f: (FEATURES.index(f) if f in FEATURES else 99, f))
        summary: dict[str, Any] = {
            "stories": {"total": self.splits.total(), "kept": kept, **dict(sorted(self.splits.items()))},
            "rejected_by": dict(counts["rejected_by"].most_common()),
            "rejected_reasons": dict(counts["reasons"].most_common()),
            "asked_again": numbers["asked_again"],
            "copies": {**copies, "share": share(sum(copies.values()), kept + sum(copies.values()))},
            "words_per_story": describe(counts["lengths"]),
            "openings": {
                "words": OPENING_WORDS,
                "different": len(counts["openings"]),
                "most_common": [[text, count] for text, count in openings],
                "largest_share": share(openings[0][1], kept) if openings else None,
            },
            "vocabulary": {"requested": len(self.words_used), "of": vocabulary_size},
            "features_requested": {name: counts["requested"][name] for name in asked},
            "sampled": {
                "stories": numbers["sampled"],
                "words_included": share(numbers["words_found"], numbers["words_asked"]),
                "features_found": {
                    name: share(counts["features_found"][name], count)
                    for name in asked
                    if name in self.features and (count := counts["features_asked"][name])
                },
                "different_words": len(self.ngrams[1]),
                "distinct_n": {
                    str(n): share(len(seen), total)
                    for n, seen in self.ngrams.items()
                    if (total := counts["ngrams"][n])
                },
            },
            "tokens": {"prompt": numbers["prompt_tokens"], "completion": numbers["completion_tokens"]},
            "thinking": {
                "answers": numbers["thinking"],
                "tokens": numbers["reasoning_tokens"],
                "estimated": self.thinking_is_estimated,
            },
            "cleaned_by": dict(counts["cleaned_by"].most_common()),
            "cost": None if self.cost is None else round(self.cost, 6),
            "models": dict(counts["models"].most_common()),
            "templates": dict(sorted(counts["templates"].items())),
            "sample": self.sample["text"] if self.sample else None,
        }
        for name, counted in (("thinking", numbers["thinking"]), ("cleaned_by", counts["cleaned_by"])):
            if not counted:
                del summary[name]
        return summary


def share(part: int, whole: int) -> float | None:
    """A share rounded to four digits; `None` if the total is 0."""
    return round(part / whole, 4) if whole else None


def describe(counts: Counter[int]) -> dict[str, float]:
    """Mean and quantiles of whole numbers given as counts."""
    total = counts.total()
    if not total:
        return {}
    values = sorted(counts)
    up_to = list(accumulate(counts[value] for value in values))
    quantiles = {
        name: values[bisect_left(up_to, q * total)] for name, q in (("p10", 0.1), ("median", 0.5), ("p90", 0.9))
    }
    mean = sum(value * count for value, count in counts.items()) / total
    return {"mean": round(mean, 1), "min": values[0], **quantiles, "max": values[-1]}
