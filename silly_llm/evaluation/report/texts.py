"""The texts of a report: sampled stories side by side, with the requested words marked, and how stories begin.

Everything a model wrote is escaped here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

from silly_llm.evaluation.report.tables import DASH


def samples(models: Mapping[str, Any], kind: str, language: str = "en") -> list[dict[str, Any]]:
    """One entry a prompt with every model's text, words that were asked for marked in it."""
    by_prompt: dict[tuple[str, int], dict[str, Any]] = {}
    for name, model in models.items():
        seen: Counter[str] = Counter()  # the same prompt may be there twice
        for sample in model.get("samples", []):
            if sample.get("kind", "beginning") != kind:
                continue
            prompt, words = sample["prompt"], sample.get("words") or {}
            seen[prompt] += 1
            entry = by_prompt.setdefault((prompt, seen[prompt]), {"prompt": prompt, "texts": {}})
            entry["texts"][name] = {
                "text": sample["completion"],
                "html": marked(sample["completion"], words, language),
                "ended": sample.get("ended", True),
                "words": words,
                "features": {f.replace("_", " "): found for f, found in (sample.get("features") or {}).items()},
            }
    return list(by_prompt.values())


def marked(text: str, words: Iterable[str], language: str = "en") -> Markup:
    """Escaped text with all forms of `words` in `<mark>`."""
    from silly_llm.text.inflection import find_word
    from silly_llm.text.words import composed

    text, parts, end = composed(text), [], 0
    for start, stop in sorted({span for word in words for span in find_word(text, word, language)}):
        if start >= end:
            parts += [escape(text[end:start]), Markup("<mark>{}</mark>").format(text[start:stop])]
            end = stop
    return Markup("").join([*parts, escape(text[end:])])


def hero_story(models: Mapping[str, Any], language: str = "en") -> dict[str, Any] | None:
    """A story to begin with: of the most tuned model the first that ended and has most of what was asked for."""
    for name, model in reversed(list(models.items())):
        kind = "instruction" if model.get("details", {}).get("chat") else "beginning"
        ended = [s for s in model.get("samples", []) if s.get("kind") == kind and s.get("ended")]
        if ended:
            best = max(ended, key=lambda s: sum((s.get("words") or {}).values()))
            words = list(best.get("words") or {})
            text = best["completion"] if kind == "instruction" else best["prompt"] + best["completion"]
            return {"name": name, "html": marked(text, words, language), "words": words}
    return None


def opening_lists(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The most common first five words, a list a model and one of the held-out stories."""
    sources = {name: model.get("details", {}).get("top_opening") for name, model in results["models"].items()}
    sources["held-out stories"] = results.get("dataset", {}).get("reference", {}).get("top_opening")
    return [
        {"name": name, "given": details.get("given_words", 0), "rows": details["most_common"][:5]}
        for name, details in sources.items()
        if details and details.get("most_common")
    ]


def feature_rows(models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How often each feature is found where it was asked for, and where it was not."""
    rows: dict[str, dict[str, str]] = {}
    for name, model in models.items():
        by_feature = model.get("details", {}).get("features_included", {}).get("by_feature", {})
        for feature, c in by_feature.items():
            if c["asked"]:
                chance = (
                    f"{100 * c['found_although_not_asked'] / c['not_asked']:.0f}\u00a0%" if c["not_asked"] else DASH
                )
                shown = f"{100 * c['found'] / c['asked']:.0f}\u00a0% ({chance})"
                rows.setdefault(feature.replace("_", " "), {})[name] = shown
    return [
        {"feature": feature, "cells": [cells.get(name, DASH) for name in models]} for feature, cells in rows.items()
    ]
