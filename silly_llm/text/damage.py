"""Copies of a story that are worse than the story, each in one known way: what a measure or a judge is tested on.

Every damage is a function `(text, rng, others)`: the story, random numbers, and other stories to take text from. It returns
the damaged copy, or None where the story does not allow it (too few sentences, names or other stories). Equal random numbers
give equal copies. Only those in `ANY_LANGUAGE` need no English.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from silly_llm.text import TABLES
from silly_llm.text.languages import ENGLISH
from silly_llm.text.names import NAMES, find_names, rename
from silly_llm.text.sentences import FUNCTION_WORDS, sentence_spans

Damage = Callable[[str, random.Random, Sequence[str]], str | None]
RENAMED = 0.8
"""Share of the mentions that get another name where the hero is renamed at nearly every one."""


def shuffle_sentences(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
    """All sentences in another order; paragraphs stay as long as they were."""
    spans = sentence_spans(text)
    if len(spans) < 4:
        return None
    order = list(range(len(spans)))
    while order == sorted(order):
        rng.shuffle(order)
    gaps = [text[end:start] for (_, end), (start, _) in itertools.pairwise(spans)] + [""]
    return "".join(text[slice(*spans[i])] + gap for i, gap in zip(order, gaps, strict=True))


def swap_names(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
    """The two characters named most often exchange their names in the second half."""
    first, second = _by_mentions(text, 2)
    new = {at: (a, b) for a, b in ((first, second), (second, first)) for at in find_names(text).get(a, ()) if b}
    second_half = {at: names for at, names in new.items() if at >= len(text) // 2}
    return rename(text, second_half) if second_half else None


def rename_hero(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
    """The character named most often gets a new name at nearly every mention, the first one excepted."""
    hero, _ = _by_mentions(text, 2)
    mentions = find_names(text).get(hero, [])
    names = [name for name in NAMES if name not in text]
    new = {at: (hero, rng.choice(names)) for at in mentions[1:] if rng.random() < RENAMED}
    return rename(text, new) if len(mentions) >= 3 and len(new) >= 2 else None


def replace_hero(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
    """Halfway through, the character named most often becomes another one, with a name of its own."""
    hero, _ = _by_mentions(text, 2)
    name = rng.choice([name for name in NAMES if name not in text])
    mentions = find_names(text).get(hero, [])
    new = {at: (hero, name) for at in mentions[1:] if at >= len(text) // 2}
    return rename(text, new) if new else None


def truncate(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
    """The story stops in the middle of a sentence, after 40 to 80 % of its text."""
    spans = [(start, end) for start, end in sentence_spans(text) if 0.4 <= start / len(text) <= 0.8]
    cuts = [start + m.start() for start, end in spans for m in re.finditer(r"(?<=\w)\s+(?=\w)", text[start:end])]
    return text[: rng.choice(cuts)] if cuts else None


def glue(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
    """Another story follows as if it were the same."""
    other = _other(text, rng, others)
    return f"{text.rstrip()}\n\n{other.strip()}" if other else None


def exchange_second_half(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
    """The second half of the sentences is another story's."""
    return _end_of_another(text, rng, others, 0.5)


def exchange_ending(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
    """The last fifth of the sentences, one at least, is another story's."""
    return _end_of_another(text, rng, others, 0.2)


def _end_of_another(text: str, rng: random.Random, others: Sequence[str], share: float) -> str | None:
    other = _other(text, rng, others)
    mine, theirs = sentence_spans(text), sentence_spans(other or "")
    if min(len(mine), len(theirs)) < 4:
        return None
    kept, taken = (len(spans) - max(1, round(share * len(spans))) for spans in (mine, theirs))
    gap = text[mine[kept - 1][1] : mine[kept][0]]
    return text[: mine[kept - 1][1]] + gap + str(other)[theirs[taken][0] :]


def _other(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
    different = [other for other in others if other != text]
    return rng.choice(different) if different else None


def _by_mentions(text: str, count: int) -> list[str]:
    """The names mentioned most often, filled up with empty ones."""
    names = find_names(text)
    return (sorted(names, key=lambda name: -len(names[name])) + [""] * count)[:count]


# Grammar: each rule finds the places where a sentence can be made wrong, as (start, end, wrong text) ------------------

Edits = list[tuple[int, int, str]]
_AGREEMENT = {"is": "are", "was": "were", "has": "have", "does": "do", "isn't": "aren't", "wasn't": "weren't"}
_AGREEMENT |= {plural: singular for singular, plural in _AGREEMENT.items()}
_TENSE = {
    form: verb for verb, forms in TABLES["irregular_verbs"].items() for form in forms.split()[:1] if verb != "be"
}
_SMALL = re.compile(r"(?<![\w'’])[a-z]+(?:n't)?(?![\w'’])")
_PAIR = re.compile(r"(?<![\w'’])(?=([a-z]+) ([a-z]+)(?![\w'’]))")
_PREDICATE = re.compile(r"\b(?:[Hh]e|[Ss]he|[Tt]hey|[Ii]t|[Ww]e|[A-Z][a-z]+)\s+(?P<verb>[a-z]+)(?![\w'’])")


def _agreement(text: str) -> Edits:
    return [(*m.span(), _AGREEMENT[m[0]]) for m in _SMALL.finditer(text) if m[0] in _AGREEMENT]


def _articles(text: str) -> Edits:
    return [(*m.span(), {"a": "an", "an": "a"}[m[0]]) for m in _SMALL.finditer(text) if m[0] in ("a", "an")]


def _tense(text: str) -> Edits:
    """Verbs right after their subject, as a dictionary has them: *she walk*."""
    import simplemma

    edits: Edits = []
    for match in _PREDICATE.finditer(text):
        verb = match["verb"]
        stem = str(simplemma.lemmatize(verb, lang=ENGLISH) if verb.endswith("ed") else _TENSE.get(verb, verb))
        if stem != verb:
            edits.append((*match.span("verb"), stem))
    return edits


def _word_order(text: str) -> Edits:
    return [(m.start(1), m.end(2), f"{m[2]} {m[1]}") for m in _PAIR.finditer(text) if m[1] != m[2]]


def _function_words(text: str) -> Edits:
    return [(m.start(1), m.start(2), "") for m in _PAIR.finditer(text) if m[1] in FUNCTION_WORDS]


def _breaking(*rules: Callable[[str], Edits]) -> Damage:
    def break_grammar(text: str, rng: random.Random, others: Sequence[str]) -> str | None:
        """One error, of a kind drawn by chance, in every second sentence where there can be one; two at least."""
        spans = sentence_spans(text)
        edits = [edit for span in spans if (edit := _error(text, span, rules, rng))]
        chosen = sorted(rng.sample(edits, max(2, len(edits) // 2))) if len(edits) >= 2 else []
        for start, end, wrong in reversed(chosen):
            text = text[:start] + wrong + text[end:]
        return text if chosen else None

    return break_grammar


def _error(text: str, span: tuple[int, int], rules: Sequence[Callable[[str], Edits]], rng: random.Random) -> Any:
    possible = [edits for rule in rules if (edits := rule(text[slice(*span)]))]
    if not possible:
        return None
    start, end, wrong = rng.choice(rng.choice(possible))
    return span[0] + start, span[0] + end, wrong


_GRAMMAR = {"agreement": _agreement, "articles": _articles, "tense": _tense, "word_order": _word_order}
_GRAMMAR |= {"function_words": _function_words}
GRAMMAR_DAMAGES: dict[str, Damage] = {f"{name}_broken": _breaking(rule) for name, rule in _GRAMMAR.items()}
"""One kind of error each; `grammar_broken` has all of them."""
DAMAGES: dict[str, Damage] = {
    "sentences_shuffled": shuffle_sentences,
    "names_swapped": swap_names,
    "hero_renamed": rename_hero,
    "hero_replaced": replace_hero,
    "grammar_broken": _breaking(*_GRAMMAR.values()),
    "truncated": truncate,
    "glued": glue,
    "second_half_exchanged": exchange_second_half,
    "ending_exchanged": exchange_ending,
}
ANY_LANGUAGE = ("sentences_shuffled", "truncated", "glued", "second_half_exchanged", "ending_exchanged")
