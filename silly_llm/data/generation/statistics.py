"""Statistics of a stories dataset, gathered while its rows stream by; for the card, `statistics.json` and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any

from silly_llm.text.features import FEATURES, detect_features, features_known
from silly_llm.text.inflection import includes_word
from silly_llm.text.languages import ENGLISH, Language
from silly_llm.text.words import count_words, first_words, tokenize_words

SAMPLE = 2_000
"""Kept stories that the costly measures (words and features found, distinct n-grams) look at: the first ones."""
TEXTS = 50
"""Kept texts that are remembered: a card tells their language."""
OPENING_WORDS = 5
MOST_OPENINGS = 100_000
"""Different openings that are told apart; more would make memory grow with the data."""


class StoryStatistics:
    """Counts over all rows and, for what is costly, over the first `SAMPLE` kept ones. Memory is flat."""

    def __init__(self, language: Language = ENGLISH) -> None:
        self.language = language
        self.features = features_known(language)
        self.splits: Counter[str] = Counter()
        self.rejected = 0
        """Rows that filters refused."""
        self.attempts: Counter[int] = Counter()
        self.cost: float | None = None
        self.refused_by: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.lengths: Counter[int] = Counter()
        self.openings: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.templates: Counter[str] = Counter()
        self.requested: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.cleaned_by: Counter[str] = Counter()
        self.thinking = 0
        """Answers with thinking."""
        self.thinking_is_estimated = False
        self.sampled = self.words_asked = self.words_found = 0
        self.feature_asked: Counter[str] = Counter()
        self.feature_found: Counter[str] = Counter()
        self.ngrams: dict[int, set[int]] = {1: set(), 2: set(), 3: set(), 4: set()}
        self.ngram_counts: Counter[int] = Counter()
        self.words_used: set[str] = set()
        self.sample: Mapping[str, Any] | None = None
        """The first kept row."""
        self.texts: list[str] = []
        """The first kept texts."""

    def add(self, split: str, row: Mapping[str, Any]) -> None:
        """Count a row of a split."""
        self.splits[split] += 1
        self.tokens["prompt"] += row["prompt_tokens"]
        self.tokens["completion"] += row["completion_tokens"]
        if (reasoning := row.get("reasoning_tokens")) is not None:
            self.thinking += 1
            self.tokens["reasoning"] += reasoning
            self.thinking_is_estimated |= bool(row.get("reasoning_estimated"))
        self.cleaned_by.update(row.get("cleaned_by") or ())
        self.models[row["model"]] += 1
        self.templates[row["template"]] += 1
        self.attempts[row["attempt"]] += 1
        if row["cost"] is not None:
            self.cost = (self.cost or 0.0) + row["cost"]
        for entry in row["rejected_by"]:
            self.reasons[entry] += 1
            self.refused_by[entry.partition(":")[0]] += 1
        if row["rejected_by"]:
            self.rejected += 1
            return
        self.words_used.update(row["words"])
        self.requested.update(row["features"])
        self.lengths[count_words(row["text"])] += 1
        opening = " ".join(first_words(row["text"], OPENING_WORDS).split())
        if opening in self.openings or len(self.openings) < MOST_OPENINGS:
            self.openings[opening] += 1
        if self.sampled < SAMPLE:
            self._add_to_sample(row)

    def _add_to_sample(self, row: Mapping[str, Any]) -> None:
        self.sampled += 1
        text = row["text"]
        self.sample = self.sample or dict(row)
        if len(self.texts) < TEXTS:
            self.texts.append(text)
        self.words_asked += len(row["words"])
        self.words_found += sum(includes_word(text, word, self.language) for word in row["words"])
        found = detect_features(text, self.features)
        self.feature_asked.update(row["features"])
        self.feature_found.update(name for name in row["features"] if name in found)
        words = tokenize_words(text.lower())
        for n, seen in self.ngrams.items():
            grams = [hash(gram) for gram in zip(*(islice(words, i, None) for i in range(n)), strict=False)]
            self.ngram_counts[n] += len(grams)
            seen.update(grams)

    def summary(self, vocabulary_size: int | None = None) -> dict[str, Any]:
        """Everything as plain data (JSON); the same rows give the same summary."""
        kept = self.lengths.total()
        copies = {name: self.refused_by[name] for name in ("duplicates", "near_duplicates")}
        compared = kept + sum(copies.values())
        asked = sorted(self.requested, key=lambda name: (FEATURES.index(name) if name in FEATURES else 99, name))
        return {
            "stories": {"total": self.splits.total(), "kept": kept, **dict(sorted(self.splits.items()))},
            "rejected_by": dict(self.refused_by.most_common()),
            "rejected_reasons": dict(self.reasons.most_common()),
            "asked_again": self.splits.total() - self.attempts[0],
            "copies": {**copies, "share": round(sum(copies.values()) / compared, 4) if compared else None},
            "words_per_story": describe(self.lengths),
            "openings": {
                "words": OPENING_WORDS,
                "different": len(self.openings),
                "most_common": [[text, count] for text, count in self.openings.most_common(10)],
                "largest_share": round(max(self.openings.values()) / kept, 4) if kept else None,
            },
            "vocabulary": {"requested": len(self.words_used), "of": vocabulary_size},
            "features_requested": {name: self.requested[name] for name in asked},
            "sampled": {
                "stories": self.sampled,
                "words_included": round(self.words_found / self.words_asked, 4) if self.words_asked else None,
                "features_found": {
                    name: round(self.feature_found[name] / count, 4)
                    for name in asked
                    if name in self.features and (count := self.feature_asked[name])
                },
                "different_words": len(self.ngrams[1]),
                "distinct_n": {
                    str(n): round(len(seen) / self.ngram_counts[n], 4)
                    for n, seen in self.ngrams.items()
                    if self.ngram_counts[n]
                },
            },
            "tokens": {"prompt": self.tokens["prompt"], "completion": self.tokens["completion"]},
            **self._taken_out(),
            "cost": None if self.cost is None else round(self.cost, 6),
            "models": dict(self.models.most_common()),
            "templates": dict(sorted(self.templates.items())),
            "sample": self.sample["text"] if self.sample else None,
        }

    def _taken_out(self) -> dict[str, Any]:
        """What cleaning and thinking took out of answers, where they did."""
        taken: dict[str, Any] = {}
        if self.thinking:
            taken["thinking"] = {
                "answers": self.thinking,
                "tokens": self.tokens["reasoning"],
                "estimated": self.thinking_is_estimated,
            }
        if self.cleaned_by:
            taken["cleaned_by"] = dict(self.cleaned_by.most_common())
        return taken


def describe(counts: Counter[int]) -> dict[str, float]:
    """Mean and quantiles of whole numbers given as counts."""
    total = counts.total()
    if not total:
        return {}
    values = sorted(counts)

    def quantile(share: float) -> int:
        below = 0
        for value in values:
            below += counts[value]
            if below >= share * total:
                return value
        return values[-1]

    mean = sum(value * count for value, count in counts.items()) / total
    ends = {"min": values[0], "p10": quantile(0.1), "median": quantile(0.5), "p90": quantile(0.9), "max": values[-1]}
    return {"mean": round(mean, 1), **ends}
