"""Things of an English story, and whether a reader was told of them before they are *the* thing."""

from __future__ import annotations

import json
import re
from functools import cache

from silly_llm.text import EMBEDDED, TABLES
from silly_llm.text.inflection import word_forms

_TOKEN = re.compile(r"[A-Za-z'’]+|[.!?]")


def things(text: str) -> dict[str, bool]:
    """The nouns of the embedded vocabulary in order of appearance, each with whether it is introduced where it first stands.

    *A ball*, *her ball* and *two balls* introduce a ball; *the ball* and *the red ball* speak of one that is known. What everybody
    knows without an introduction (*the sun*, *the park*; `english.json`: `known_things`) does not count.
    """
    tokens = [token.lower() for token in _TOKEN.findall(text)]
    nouns, adjectives = _words()
    found: dict[str, bool] = {}
    for at, token in enumerate(tokens):
        noun = nouns.get(token)
        if noun is None or noun in found:
            continue
        before = at - 1
        while before >= 0 and tokens[before] in adjectives:
            before -= 1
        found[noun] = before < 0 or tokens[before] != "the"
    return found


@cache
def _words() -> tuple[dict[str, str], frozenset[str]]:
    """The nouns by each of their forms, and the adjectives."""
    words = json.loads(EMBEDDED.read_text(encoding="utf-8"))
    known, verbs = set(TABLES["known_things"]), set(words["verbs"])
    counted = [noun for noun in words["nouns"] if noun not in known and noun not in verbs]
    nouns = {form: noun for noun in counted for form in word_forms(noun)}
    return nouns, frozenset(words["adjectives"]) | {"other", "same", "next", "first", "last"}
