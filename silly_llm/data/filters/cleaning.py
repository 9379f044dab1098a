"""Cleaning of a text before filtering, in steps named by the recipe; each reports whether it changed something.

The journal keeps the teacher's original answer, so changing the steps never costs another request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.registry import split_type

Cleaning = Sequence[tuple[str, Callable[[str], str]]]
"""Names of steps, and their functions from text to text."""
FENCED = re.compile(
    r"[^\n]{0,100}?(?:\n\s*)?^(```+|~~~+)[^\n`]*\n(?P<inside>.*?)\n?^\1\s*\Z", re.DOTALL | re.MULTILINE
)
TITLE = re.compile(
    r"""(?:\#{1,6}[ \t]+[^\n]+ | \*\*[^*\n]{1,100}\*\*[ \t]* | __[^_\n]{1,100}__[ \t]* | [^\n]{1,100}\n[ \t]*[=-]{3,}[ \t]*
        | [*_\#\s]{0,6}title[*_]{0,2}[ \t]*:[^\n]{0,120})\n\s*(?=\S)""",
    re.IGNORECASE | re.VERBOSE,
)
PAIRS = {'"': '"', "“": "”", "«": "»", "„": "“", "”": "”", "「": "」", "『": "』"}


def code_fences(text: str) -> str:
    """Removes a fence (``` or ~~~) around the whole text, and a short line that introduces it."""
    found = FENCED.match(text) if "```" in text or "~~~" in text else None
    return found["inside"] if found and "```" not in found["inside"] else text


def titles(text: str) -> str:
    """Removes a title at the beginning: "# …", "**…**", "Title: …", or an underlined line."""
    found = TITLE.match(text)
    return text[found.end() :] if found else text


def quotes(text: str) -> str:
    """Removes quotation marks around the whole text; those around speech are kept."""
    if len(text) < 3 or PAIRS.get(text[0]) != text[-1]:
        return text
    inside = text[1:-1]
    if text[0] == text[-1]:
        return text if text[0] in inside else inside
    depth = 1
    for character in inside:
        depth += (character == text[0]) - (character == text[-1])
        if not depth:
            return text
    return inside


STEPS: dict[str, Callable[[str], str]] = {"code_fences": code_fences, "titles": titles, "quotes": quotes}


def cleaning_of(named: Sequence[str | Mapping[str, Any]] | None, filters: Sequence[str]) -> Cleaning:
    """The steps that a recipe names, or raises a RecipeError.

    Args:
        named: names, or `{pattern: …, replacement: …}`, optionally with a `name`; `None` for the default: what changes no text
            that the filters would keep as it is.
        filters: the names of the recipe's.
    """
    if named is None:
        named = ["code_fences", *(["titles"] if {"markup", "assistant_talk"} & set(filters) else []), "quotes"]
    return [_step(each) for each in named]


def _step(named: str | Mapping[str, Any]) -> tuple[str, Callable[[str], str]]:
    if isinstance(named, str) or "type" in named:
        name, _ = split_type("cleaning", named)
        if name not in STEPS:
            known = f"{', '.join(STEPS)}, or a pattern"
            raise RecipeError(f"cleaning: unknown step {name!r}{suggestion(name, STEPS)}; known: {known}")
        return name, STEPS[name]
    if unknown := sorted(set(named) - {"name", "pattern", "replacement"}):
        raise RecipeError(f"cleaning: unknown key {unknown[0]!r}; known: pattern, replacement, name")
    pattern, replacement = named.get("pattern"), named.get("replacement") or ""
    if not isinstance(pattern, str) or not isinstance(replacement, str):
        raise RecipeError("cleaning: pattern and replacement must be texts")
    try:
        expression = re.compile(pattern)
        expression.sub(replacement, "")
    except (re.error, IndexError) as error:
        raise RecipeError(
            f"cleaning: {pattern!r} with {replacement!r}: is not a regular expression ({error})"
        ) from None
    return str(named.get("name") or f"/{pattern}/"[:60]), lambda text: expression.sub(replacement, text)


def clean(text: str, cleaning: Cleaning) -> tuple[str, list[str]]:
    """The text after all steps, and the names of the steps that changed it."""
    changed = []
    for name, step in cleaning:
        if (after := step(text).strip()) != text:
            text = after
            changed.append(name)
    return text, changed
