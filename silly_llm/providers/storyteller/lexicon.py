"""The storyteller's words: the embedded list with the kind of each, and the slots of a story that a word fills."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from silly_llm.text import EMBEDDED
from silly_llm.text.inflection import inflect, with_article

POS = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives"}
UNKNOWN = {"noun": "unknown", "verb": "act", "adjective": "thing"}
"""The kind of words that are not listed: one whose sentences suit most words."""


@lru_cache(maxsize=1)
def lexicon() -> dict[str, Any]:
    """The content of the embedded `words.json`: `nouns`, `verbs`, `adjectives`, `kinds`, `objects`."""
    return json.loads(EMBEDDED.read_text(encoding="utf-8"))


@lru_cache(maxsize=8192)
def kind_of(pos: str, word: str) -> str:
    """The kind of a word: a key of `kinds` in `words.json`."""
    kinds = lexicon()["kinds"][POS[pos]].items()
    return next((kind for kind, words in kinds if word in words), UNKNOWN[pos])


@lru_cache(maxsize=8192)
def word_slots(pos: str, word: str, his: str) -> dict[str, str]:
    """The slots of a story that a word fills, for a hero of whom it says *his* or *her*.

    A noun: `{a_n}`, `{the_n}`, `{it}` and others; an adjective: `{adj}` and `{a_adj}` (*an old*); a verb: `{vp}` (*wash the dishes*)
    and `{vped}` (*washed the dishes*), since a verb alone may need an object to make sense.
    """
    if pos == "adjective":
        return {"adj": word, "a_adj": with_article(word)}
    if pos == "verb":
        rest = lexicon()["objects"].get(word)
        tail = f" {rest}" if rest else ""
        return {"vp": word + tail, "vped": inflect(word, "past") + tail}
    kind = kind_of("noun", word)
    many = kind == "plural" or (kind == "unknown" and word.endswith("s") and not word.endswith("ss"))
    a, the, about, own = with_article(word), f"the {word}", f"the {word}", f"{his} {word}"
    match kind:
        case "family":
            a = the = about = own
        case "sky" | "season":
            a = the
        case "body":
            the, about = own, a
        case "foodmass" | "stuff":
            a, about = f"some {word}", word
        case "ideamass":
            a = the = about = word
        case _ if many:
            a, about = (f"a pair of {word}" if kind == "plural" else word), word
        case _:
            about = a
    slots = {"n": word, "a_n": a, "the_n": the, "about_n": about, "his_n": own, "my_n": f"my {word}"}
    it, its, was, is_ = ("them", "their", "were", "are") if many else ("it", "its", "was", "is")
    slots |= {key.capitalize(): value[0].upper() + value[1:] for key, value in slots.items()}
    return slots | {"it": it, "It": "They" if many else "It", "its": its, "was": was, "is": is_}
