"""The texts of a report: sampled stories side by side, with the requested words marked, and how stories begin.

Everything a model wrote is escaped here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from markupsafe import Markup, escape

TITLES = {
    "instruction": ("Asked for a story", ""),
    "beginning": (
        "The same beginning",
        "Continued as raw text after the begin-of-text token, also by tuned models, which were not trained on such input.",
    ),
}
PAGE = 20
"""Prompts that unfold together."""
MOST_CHARACTERS = 6_000_000
"""Of stories to browse; a page with more is slow to open on a phone."""


def sections(models: Mapping[str, Any], language: str = "en") -> list[dict[str, Any]]:
    """The samples of each kind, those of instructions first, with every model's text for the same prompt."""
    kinds = dict.fromkeys(s.get("kind", "beginning") for m in models.values() for s in m.get("samples", []))
    named = [*(kind for kind in TITLES if kind in kinds), *(kind for kind in kinds if kind not in TITLES)]
    made = []
    for kind in named:
        title, note = TITLES.get(kind, (kind.replace("_", " ").capitalize(), ""))
        made.append({"kind": kind, "title": title, "note": note, "samples": samples(models, kind, language)})
    return made


def samples(models: Mapping[str, Any], kind: str, language: str = "en") -> list[dict[str, Any]]:
    """One entry a prompt with every model's text, words that were asked for marked in it, and a judge's grades beside it."""
    by_prompt: dict[tuple[str, int], dict[str, Any]] = {}
    for name, model in models.items():
        seen: Counter[str] = Counter()  # the same prompt may be there twice
        for sample in model.get("samples", []):
            if sample.get("kind", "beginning") != kind:
                continue
            prompt = sample["prompt"]
            seen[prompt] += 1
            entry = by_prompt.setdefault((prompt, seen[prompt]), {"prompt": prompt, "texts": {}})
            entry["texts"][name] = shown(sample, language)
    return list(by_prompt.values())


def shown(sample: Mapping[str, Any], language: str = "en") -> dict[str, Any]:
    """A text with what is said of it."""
    words = sample.get("words") or {}
    return {
        "text": sample["completion"],
        "html": marked(sample["completion"], words, language),
        "ended": sample.get("ended", True),
        "words": words,
        "features": {f.replace("_", " "): found for f, found in (sample.get("features") or {}).items()},
        "grades": sample.get("grades") or {},
        "assessment": sample.get("assessment"),
    }


def browse(generations: Iterable[Mapping[str, Any]], models: Mapping[str, Any]) -> dict[str, Any]:
    """Every text that any model wrote, side by side for the same prompt and sample, in pages of `PAGE` prompts.

    A chat model's messages and a base model's plain text are the same prompt where their words are. Prompts that most models share come
    first. Once the texts have `MOST_CHARACTERS`, the rest is left out and counted.

    Args:
        generations: rows of `generations.parquet`.
    """
    graded = {(m, s["completion"].strip()): s for m in models for s in models[m].get("samples", []) if s.get("grades")}
    by_prompt: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in generations:
        if (name := row.get("model", "")) not in models or None in (row.get("prompt"), row.get("text")):
            continue
        prompt = as_text(row["prompt"])
        key = prompt.strip(), row.get("sample", 1), row.get("temperature"), row.get("top_p"), row.get("max_new_tokens")
        entry = by_prompt.setdefault(key, {"prompt": prompt, "sample": row.get("sample", 1), "texts": {}})
        judged = graded.get((name, row["text"].strip()), {})
        said = {key: judged.get(key) for key in ("grades", "assessment")}
        entry["texts"].setdefault(name, shown({"completion": row["text"], "ended": row.get("ended", True)} | said))
    found = sorted(by_prompt.values(), key=lambda entry: -len(entry["texts"]))
    left, kept = MOST_CHARACTERS, []
    for entry in found:
        left -= len(entry["prompt"]) + sum(len(made["text"]) for made in entry["texts"].values())
        if left < 0:
            break
        kept.append(entry)
    return {
        "pages": [{"first": i + 1, "samples": kept[i : i + PAGE]} for i in range(0, len(kept), PAGE)],
        "shown": len(kept),
        "prompts": len(found),
        "texts": sum(len(entry["texts"]) for entry in found),
    }


def as_text(prompt: str) -> str:
    """A prompt of `generations.parquet`: plain text as it is, chat messages without their roles."""
    if prompt.startswith("["):
        with suppress(ValueError, TypeError, KeyError):
            return "\n\n".join(str(message["content"]) for message in json.loads(prompt))
    return prompt


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
    """A story to begin with: the first one of the most tuned model (of several the last), whatever it is like."""

    def is_chat(model: Mapping[str, Any]) -> bool:
        return bool(model.get("details", {}).get("chat"))

    for name, model in [*sorted(models.items(), key=lambda item: is_chat(item[1]))][::-1]:
        kind = "instruction" if is_chat(model) else "beginning"
        for s in (s for s in model.get("samples", []) if s.get("kind") == kind):
            words = list(s.get("words") or {})
            text = s["completion"] if kind == "instruction" else s["prompt"] + s["completion"]
            return {"name": name, "html": marked(text, words, language), "words": words, "ended": s.get("ended", True)}
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
