"""Puts a story together: a plot that suits the noun, threads for verb and adjective, and what each feature adds.

All choices come from one generator seeded with (seed, words, features), and only through `random()`, whose values
Python keeps the same across versions. Texts are formatted once, at the end.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from silly_llm.providers.storyteller.content import TOLD, Plot
from silly_llm.providers.storyteller.lexicon import POS, kind_of, lexicon, word_slots
from silly_llm.text.features import FEATURES
from silly_llm.text.words import tokenize_words

T = TypeVar("T")
PLOTS = TOLD.plots
SHORTEST, LONGEST = 108, 228
"""Words that a story should have; sentences that it can do without fill up to the one and stop at the other."""
_NO_ANIMAL_HERO = frozenset({"animal", "wild", "person", "family", "body"})
_NAMES = (*((name, "girl") for name in TOLD.girls), *((name, "boy") for name in TOLD.boys))
_PRONOUNS = {"girl": ("she", "her", "her"), "boy": ("he", "him", "his")}


@dataclass(frozen=True)
class Story:
    """A story, its one-line summary and the name of its plot."""

    text: str
    summary: str
    plot: str


class _Dice:
    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed).random

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def chance(self, share: float) -> bool:
        return self.random() < share


def tell(seed: int, words: Mapping[str, Sequence[str]], features: Sequence[str]) -> Story:
    """Write a story.

    Args:
        seed: another seed, another story.
        words: the requested words by part of speech (`noun`, `verb`, `adjective`); what is missing is chosen here.
        features: names of `FEATURES`; others are ignored.
    """
    wanted = frozenset(features).intersection(FEATURES)
    lists = {pos: tuple(words.get(pos) or ()) for pos in POS}
    dice = _Dice(f"{seed}|{'|'.join(','.join(lists[pos]) for pos in lists)}|{','.join(sorted(wanted))}")
    first = {pos: lists[pos][0] if lists[pos] else dice.pick(lexicon()[POS[pos]]) for pos in POS}
    plot = dice.pick(_plots_for(first["noun"]))
    slots = _cast(dice, plot, first["noun"])
    his = slots["his"]
    for pos, word in first.items():
        slots |= word_slots(pos, word, his)
    parts = _Parts(dice, plot, wanted)
    parts.weave("verb", first["verb"])
    parts.weave("adjective", first["adjective"])
    for pos in ("verb", "adjective", "noun"):
        for word in lists[pos][1:]:
            parts.weave(pos, word, word_slots(pos, word, his))
    end = "It ends badly." if "bad_ending" in wanted else dice.pick(TOLD.summary_ends)
    summary = f"{plot.summary}. {end}".format_map(slots)
    return Story(text=parts.text().format_map(slots), summary=summary, plot=plot.name)


class _Parts:
    """The parts of a story in the making, as templates."""

    def __init__(self, dice: _Dice, plot: Plot, wanted: frozenset[str]) -> None:
        self.dice, self.plot, self.wanted = dice, plot, wanted
        self.friends_quarrel = dice.chance(0.6)
        self.begin: list[str] = []
        self.middle: list[str] = []
        self.spare: list[str] = []
        self.end: list[str] = []

    def weave(self, pos: str, word: str, slots: Mapping[str, str] | None = None) -> None:
        """Take a word's sentences in; `slots` fills them now, for words beyond the first of their kind."""
        kinds = {"verb": TOLD.verbs, "adjective": TOLD.adjectives}
        thread = TOLD.picture if pos == "noun" else kinds[pos][kind_of(pos, word)]
        pick = self.dice.pick
        begin, middle = pick(thread.begin), pick(thread.middle)
        end = pick(thread.bad_end if "bad_ending" in self.wanted else thread.good_end)
        if slots is not None:
            begin, middle, end = (_fill(text, slots) for text in (begin, middle, end))
        self.begin.append(begin)
        self.end.append(end)
        (self.middle if thread.middle_always else self.spare).append(middle)

    def text(self) -> str:
        """The whole story, with slots."""
        dice, plot, wanted = self.dice, self.plot, self.wanted
        pick = dice.pick
        if dice.chance(0.5):
            self.begin.reverse()
        if dice.chance(0.5):
            self.end.reverse()
        first = [pick(TOLD.openings), *self.begin]
        setup = pick(plot.setup)
        present = "riend}" in setup
        if present or dice.chance(0.15):
            first.append(pick(TOLD.friends))
        second = [setup, pick(plot.hint)] if "foreshadowing" in wanted else [setup]
        second.append(pick(plot.problem))
        third = [pick(plot.meeting or (TOLD.present if present else TOLD.meetings))]
        if "dialogue" in wanted:
            third.append(self._talk())
        attempt = pick(plot.attempt)
        third.append(attempt)
        if "conflict" in wanted:
            way1, way2 = plot.ways
            quarrel = pick(TOLD.quarrels if self.friends_quarrel else TOLD.bullies)
            third.append(quarrel.replace("{way1}", way1).replace("{way2}", way2))
        third += self.middle
        fourth, fifth = [self._outcome()], self.end
        closing = [pick(TOLD.bad_ends if "bad_ending" in wanted else TOLD.good_ends)]
        if "moral_value" in wanted:
            closing.append(self._moral())
        length = sum(map(_length, (*first, *second, *third, *fourth, *fifth, *closing)))
        if length > LONGEST:  # every feature at once: the words stay in what comes later
            third.remove(attempt)
            if length - _length(attempt) > LONGEST:
                first.remove(self.begin[0])
        for text in self.spare:
            if length < SHORTEST or (length + 12 < LONGEST and dice.chance(0.18)):
                third.append(text)
                length += _length(text)
        paragraphs = [first, second, third, fourth, [*fifth, *closing]]
        if dice.chance(0.5):
            paragraphs[3:] = [paragraphs[3] + paragraphs[4]]
        if dice.chance(0.4):
            paragraphs[1:3] = [paragraphs[1] + paragraphs[2]]
        return "\n\n".join([" ".join(paragraph) for paragraph in paragraphs])

    def _talk(self) -> str:
        say, offer = self.dice.pick(self.plot.say), self.dice.pick(self.plot.offer)
        question = say.rpartition("! ")[2].startswith("What")
        line = f'"{say}?" asked {{hero}}' if question else f'"{say}," said {{hero}}'
        return self.dice.pick(TOLD.talks).replace("{line}", line).replace("{offer}", offer)

    def _outcome(self) -> str:
        plot, bad = self.plot, "bad_ending" in self.wanted
        if "plot_twist" in self.wanted:
            return self.dice.pick(plot.sad_twist if bad else plot.twist)
        return self.dice.pick(plot.failure if bad else plot.success)

    def _moral(self) -> str:
        morals = self.plot.sad_moral if "bad_ending" in self.wanted else self.plot.moral
        if "conflict" in self.wanted and self.friends_quarrel and self.dice.chance(0.4):
            morals = TOLD.quarrel_morals
        return self.dice.pick(TOLD.morals).replace("{moral}", self.dice.pick(morals))


def _cast(dice: _Dice, plot: Plot, noun: str) -> dict[str, str]:
    """Who is in the story and where it is, as slots."""
    hero, friend, other = (dice.pick(_NAMES) for _ in range(3))
    while friend[0][0] == hero[0][0]:
        friend = dice.pick(_NAMES)
    while other[0][0] in (hero[0][0], friend[0][0]):
        other = dice.pick(_NAMES)
    he, him, his = _PRONOUNS[hero[1]]
    fhe, fhim, fhis = _PRONOUNS[friend[1]]
    what = hero[1]
    if not plot.child_only and kind_of("noun", noun) not in _NO_ANIMAL_HERO and dice.chance(0.2):
        what = dice.pick(TOLD.animals)
    mom = dice.pick(("Mom", "Dad", "Mom", "Dad", "Grandma", "Grandpa"))
    if plot.name in ("river", "song") or noun.startswith("grand"):
        mom = dice.pick(("Mom", "Dad"))
    mhe, _, mhis = _PRONOUNS["boy" if mom in ("Dad", "Grandpa") else "girl"]
    slots = {
        "hero": hero[0], "he": he, "him": him, "his": his, "himself": f"{him}self", "boy": what,
        "friend": friend[0], "fhe": fhe, "fhim": fhim, "fhis": fhis,
        "other": other[0], "ohim": _PRONOUNS[other[1]][1],
        "mom": mom, "mhe": mhe, "mhis": mhis,
        "place": dice.pick(_without(TOLD.places, noun)),
        "age": dice.pick(TOLD.ages),
        "toy": dice.pick(_without(TOLD.toys, noun)),
    }  # fmt: skip
    return slots | {key.capitalize(): value.capitalize() for key, value in slots.items()}


@lru_cache(maxsize=8192)
def _plots_for(noun: str) -> tuple[Plot, ...]:
    """Plots whose kinds include the noun's and whose texts do not use the word otherwise; special ones twice as often."""
    kind = kind_of("noun", noun)
    suitable = [plot for plot in PLOTS if kind in plot.kinds.split()]
    plots = [plot for plot in suitable if noun not in _vocabulary(plot.name)] or suitable
    return tuple(plot for plot in plots for _ in range(2 if len(plot.kinds.split()) < 6 else 1))


@lru_cache(maxsize=64)
def _vocabulary(name: str) -> frozenset[str]:
    plot = next(plot for plot in PLOTS if plot.name == name)
    texts = [text for value in vars(plot).values() if isinstance(value, tuple) for text in value]
    return frozenset(tokenize_words(re.sub(r"{\w+}", "", " ".join(texts)).lower()))


@lru_cache(maxsize=8192)
def _without(options: tuple[str, ...], noun: str) -> tuple[str, ...]:
    return tuple(option for option in options if noun not in option.split()) or options


@lru_cache(maxsize=8192)
def _length(text: str) -> int:
    return len(text.split())


def _fill(text: str, slots: Mapping[str, str]) -> str:
    for name, value in slots.items():
        text = text.replace(f"{{{name}}}", value)
    return text
