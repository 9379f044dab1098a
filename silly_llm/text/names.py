"""Names of the characters in an English story."""

from __future__ import annotations

import re

from silly_llm.text import TABLES
from silly_llm.text.sentences import sentence_spans

NAMES: tuple[str, ...] = tuple(TABLES["girls"] + TABLES["boys"])
"""Common first names."""
_KNOWN = frozenset(NAMES)
_NO_NAMES = frozenset(TABLES["capitalized"])
"""Words that are capitalized and name no character: days, months, holidays, what a child calls its family."""
_CAPITALIZED = re.compile(r"(?<![\w'’-])[A-Z][a-z]+(?:-[A-Z]?[a-z]+)*(?![\w-])")
_NOT_NAMED = re.compile(r"(?:^|[.!?:;…*\n\"“”‘«»(—–-]|(?<![\w])'|\b(?:[Tt]he|[Aa]n?|[Oo]n))[\s\"“”‘’']*$")
"""What stands before a word that is capitalized without being a name, because it begins a sentence or is *the Bear*."""
_INTRODUCED = re.compile(r"\b(?:named|called|name (?:was|is|were)|names (?:were|are))\s+(?:\w+ and )?$")


def find_names(text: str) -> dict[str, list[int]]:
    """The names in order of appearance, each with the positions where it begins.

    A name is a capitalized word that begins no sentence somewhere in the text, follows *named* or *called*, or is a common first name;
    and that the text does not have in lower case, unless it follows *named*. A title belongs to no name (Mr. *Bear*).
    """
    small = set(re.findall(r"(?<![\w'’])[a-z]+", text))
    found: dict[str, list[int]] = {}
    names = set()
    for match in _CAPITALIZED.finditer(text):
        word, at = match[0], match.start()
        found.setdefault(word, []).append(at)
        before = text[max(0, at - 30) : at]
        named = word in _KNOWN or not _NOT_NAMED.search(before)
        if word not in _NO_NAMES and ((word.lower() not in small and named) or _INTRODUCED.search(before)):
            names.add(word)
    return {word: positions for word, positions in found.items() if word in names}


def rename(text: str, new: dict[int, tuple[str, str]]) -> str:
    """The text with other names: by position, the old name and the new one."""
    made, end = [], 0
    for position, (old, name) in sorted(new.items()):
        made += [text[end:position], name]
        end = position + len(old)
    return "".join([*made, text[end:]])


# Introductions --------------------------------------------------------------------------------------------------------

_BEFORE = re.compile(
    r"\b(?:(?:[Nn]amed|called|names?|is|was|were|are|I'm|am|little|old|[Ff]riends?|pal|buddy|brothers?|sisters?|cousin|twins?|neighbou?r|"
    r"teacher|dog|puppy|pup|cat|kitten|kitty|bird|bunny|rabbit|bear|fish|mouse|frog|horse|pony|duck|turtle|doll|robot|monster|dragon|"
    r"fairy|toy|boys?|girls?|man|woman|lady|child|kids?|children|baby|son|daughter|Miss|Aunt|Uncle|Auntie|Grandma|Grandpa|"
    r"met|meet|saw|see|found|visit(?:ed)?|joined|invited|knew|(?:ran|went|came) to|[A-Z][a-z]+,? and),?|(?:Mr|Mrs|Ms|Dr)\.?)\s+$"
)  # fmt: skip
_AFTER = re.compile(
    r",? (?:who|from|came|comes|arrived|appeared|lived|lives|joined|and [A-Z])\b|, (?:a|an|the|his|her|their|my|too)\b| (?:was|is) (?:a|an|the|his|her|their)\b"
)


def introductions(text: str) -> dict[str, bool]:
    """Whether each name is introduced where it first stands, so that a reader knows whom it means.

    The first name is, and those of its sentence; a later one where the words around it bring somebody in: *a boy named Tim*, *her friend
    Tim*, *met Tim*, *Tim, a boy*, *Tim came*. *Tim was happy* brings nobody in.
    """
    found: dict[str, bool] = {}
    first_sentence = None
    for name, positions in find_names(text).items():
        at, end = positions[0], positions[0] + len(name)
        if first_sentence is None:
            first_sentence = next(span for span in sentence_spans(text) if span[1] > at)
        before, after = text[max(0, at - 30) : at], text[end : end + 12]
        found[name] = at < first_sentence[1] or bool(_BEFORE.search(before) or _AFTER.match(after))
    return found


# Pronouns -------------------------------------------------------------------------------------------------------------

_GENDER = dict.fromkeys(TABLES["girls"], "she") | dict.fromkeys(TABLES["boys"], "he")
_TOLD = re.compile(
    r"\b(?P<she>girl|woman|lady|princess|queen|daughter|sister)?(?P<he>boy|man|prince|king|son|brother)? (?:named|called) $"
)
_PRONOUN = re.compile(r"\b(?:(?P<she>she|herself)|(?P<he>he|himself))\b")
_SOMEBODY = re.compile(
    r"\b(?:[A-Z][a-z]+|mom|dad|mother|father|brother|sister|friend|boy|girl|man|woman|lady|her|him|his|dog|cat|bird)\b"
)


def pronouns(text: str) -> list[bool]:
    """Whether pronouns agree with the name before them, in sentences that begin with a name and go on with *he* or *she* before anybody else appears.

    A name is *she* or *he* by what the text says of it (*a girl named Sam*), else by the lists of first names; others do not count.
    """
    names = find_names(text)
    genders = {name: _GENDER[name] for name in names if name in _GENDER}
    for name, (at, *_) in names.items():
        if told := _TOLD.search(text[max(0, at - 30) : at]):
            genders[name] = str(told.lastgroup or genders.get(name, ""))
    at_name = {at: name for name, positions in names.items() if genders.get(name) for at in positions}
    agreed = []
    for start, end in sentence_spans(text):
        if who := at_name.get(start):
            after = text[start + len(who) : end]
            somebody = _SOMEBODY.search(after)
            if match := _PRONOUN.search(after, 0, somebody.start() if somebody else len(after)):
                agreed.append(match.lastgroup == genders[who])
    return agreed
