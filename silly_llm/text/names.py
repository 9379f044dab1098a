"""Names of the characters in an English story."""

from __future__ import annotations

import re
from collections.abc import Iterator

from silly_llm.text import TABLES

NAMES: tuple[str, ...] = tuple(TABLES["girls"] + TABLES["boys"])
"""Common first names."""
_KNOWN = frozenset(NAMES)
_NO_NAMES = frozenset(TABLES["capitalized"])
"""Words that are capitalized and name no character: days, months, holidays, what a child calls its family."""
_CAPITALIZED = re.compile(r"(?<![\w'’-])[A-Z][a-z]+(?:-[A-Z]?[a-z]+)*(?![\w-])")
_INITIAL = re.compile(r"(?:^|[.!?:;…*\n\"“”‘«»(—–-]|(?<![\w])')[\s\"“”‘’']*$")
"""What stands before a word that is capitalized because it begins a sentence."""
_INTRODUCED = re.compile(r"\b(?:named|called|name (?:was|is|were)|names (?:were|are))\s+(?:\w+ and )?$")


def find_names(text: str) -> dict[str, list[int]]:
    """The names in order of appearance, each with the positions where it begins.

    A name is a capitalized word that begins no sentence somewhere in the text, follows *named* or *called*, or is a common first name;
    and that the text does not have in lower case, unless it follows *named*. A title belongs to no name (Mr. *Bear*).
    """
    small = set(re.findall(r"(?<![\w'’])[a-z]+", text))
    found: dict[str, list[int]] = {}
    names = set()
    for word, position in _capitalized(text):
        found.setdefault(word, []).append(position)
        before = text[max(0, position - 30) : position]
        if word in _NO_NAMES or word in names:
            continue
        if _INTRODUCED.search(before) or (
            word.lower() not in small and (word in _KNOWN or not _INITIAL.search(before))
        ):
            names.add(word)
    return {word: positions for word, positions in found.items() if word in names}


def _capitalized(text: str) -> Iterator[tuple[str, int]]:
    for match in _CAPITALIZED.finditer(text):
        yield match.group(), match.start()


def rename(text: str, new: dict[int, tuple[str, str]]) -> str:
    """The text with other names: by position, the old name and the new one."""
    made, end = [], 0
    for position, (old, name) in sorted(new.items()):
        made += [text[end:position], name]
        end = position + len(old)
    return "".join([*made, text[end:]])
