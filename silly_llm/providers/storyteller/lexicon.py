"""What the storyteller knows of words: the embedded list with the kind of each, and the cast of its stories."""

# ruff: noqa: SIM905
from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from silly_llm.text import EMBEDDED
from silly_llm.text.inflection import article, inflect

POS = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives"}
GIRLS = tuple(
    "Ada Alma Amy Anna Bea Bella Cara Clara Dora Ella Elsa Emma Eva Fay Flora Gina Hanna Ida Ina Iris Joan Kate "
    "Lena Lila Lisa Lola Lucy Maja Mara Mia Mila Nala Nina Nora Olga Pia Rita Rosa Ruth Sara Tara Tess Tilda Una Vera Zoe".split()
)
BOYS = tuple(
    "Abe Adam Alex Anton Ben Bill Carl Dan David Emil Eric Finn Fred Gus Hans Henry Hugo Ivan Jack Jim Joe John Jonas "
    "Karl Leo Liam Luis Luke Max Milo Ned Nick Noah Oli Omar Oscar Otto Paul Pete Rob Sam Sid Theo Tim Tom Will".split()
)
SPECIES = ("rabbit", "mouse", "fox", "bear", "duck", "frog", "hedgehog", "squirrel", "cat", "goat")
"""What heroes can be that are no children."""


@lru_cache(maxsize=1)
def lexicon() -> dict[str, Any]:
    """The content of the embedded `words.json`: `nouns`, `verbs`, `adjectives`, `kinds`, `objects`."""
    return json.loads(EMBEDDED.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _kinds() -> dict[str, dict[str, str]]:
    return {
        pos: {word: kind for kind, words in lexicon()["kinds"][plural].items() for word in words}
        for pos, plural in POS.items()
    }


_DEFAULTS = {"noun": "unknown", "verb": "act", "adjective": "thing"}


def kind_of(pos: str, word: str) -> str:
    """The kind of a word (a key of `kinds` in `words.json`); for unknown words one whose sentences suit most words."""
    return _kinds()[pos].get(word, _DEFAULTS[pos])


@lru_cache(maxsize=8192)
def noun_slots(noun: str, his: str) -> dict[str, str]:
    """The slots of a plot that the noun fills, for a hero who is `he` or `she` (`his`: *his* or *her*)."""
    kind = kind_of("noun", noun)
    many = kind == "plural" or (kind == "unknown" and noun.endswith("s") and not noun.endswith("ss"))
    the = about = f"the {noun}"
    if kind == "family":
        a = the = about = f"{his} {noun}"
    elif kind in ("sky", "season"):
        a = the
    elif kind == "body":
        a = about = f"{article(noun)} {noun}"
        the = f"{his} {noun}"
    elif kind in ("foodmass", "stuff"):
        a, about = f"some {noun}", noun
    elif kind == "ideamass":
        a = the = about = noun
    elif many:
        a = f"a pair of {noun}" if kind == "plural" else noun
        about = noun
    else:
        a = about = f"{article(noun)} {noun}"
    own = f"{his} {noun}"
    slots = {"n": noun, "a_n": a, "the_n": the, "about_n": about, "his_n": own, "my_n": f"my {noun}"}
    slots |= {key.capitalize(): value[0].upper() + value[1:] for key, value in slots.items()}
    return slots | {
        "it": "them" if many else "it",
        "It": "They" if many else "It",
        "its": "their" if many else "its",
        "was": "were" if many else "was",
        "is": "are" if many else "is",
    }


@lru_cache(maxsize=8192)
def verb_slots(verb: str) -> dict[str, str]:
    """`{vp}` (*wash the dishes*) and `{vped}` (*washed the dishes*): a verb alone may need an object to make sense."""
    rest = lexicon()["objects"].get(verb)
    tail = f" {rest}" if rest else ""
    return {"vp": verb + tail, "vped": inflect(verb, "past") + tail}


@lru_cache(maxsize=8192)
def adjective_slots(adjective: str) -> dict[str, str]:
    """`{adj}` and `{a_adj}` (*an old*)."""
    return {"adj": adjective, "a_adj": f"{article(adjective)} {adjective}"}
