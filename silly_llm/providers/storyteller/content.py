"""The storyteller's material: `stories.yaml`, which anybody can extend, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from silly_llm.core.schema import check

FILE = Path(__file__).with_name("stories.yaml")


@dataclass(frozen=True)
class Thread:
    """What takes a word through a story, by the kind of the word: a sentence at its beginning, in its middle, at its end."""

    begin: tuple[str, ...]
    middle: tuple[str, ...]
    good_end: tuple[str, ...]
    bad_end: tuple[str, ...]
    middle_always: bool = False


@dataclass(frozen=True)
class Plot:
    """One problem and everything said about it; the comment above `plots` in `stories.yaml` says what each part is."""

    name: str
    kinds: str
    setup: tuple[str, ...]
    problem: tuple[str, ...]
    attempt: tuple[str, ...]
    success: tuple[str, ...]
    failure: tuple[str, ...]
    twist: tuple[str, ...]
    sad_twist: tuple[str, ...]
    hint: tuple[str, ...]
    say: tuple[str, ...]
    offer: tuple[str, ...]
    ways: tuple[str, str]
    moral: tuple[str, ...]
    sad_moral: tuple[str, ...]
    summary: str
    meeting: tuple[str, ...] = ()
    child_only: bool = False


@dataclass(frozen=True)
class Content:
    """All of `stories.yaml`."""

    girls: tuple[str, ...]
    boys: tuple[str, ...]
    animals: tuple[str, ...]
    openings: tuple[str, ...]
    places: tuple[str, ...]
    ages: tuple[str, ...]
    friends: tuple[str, ...]
    toys: tuple[str, ...]
    meetings: tuple[str, ...]
    present: tuple[str, ...]
    talks: tuple[str, ...]
    quarrels: tuple[str, ...]
    bullies: tuple[str, ...]
    good_ends: tuple[str, ...]
    bad_ends: tuple[str, ...]
    summary_ends: tuple[str, ...]
    morals: tuple[str, ...]
    quarrel_morals: tuple[str, ...]
    picture: Thread
    verbs: dict[str, Thread]
    adjectives: dict[str, Thread]
    plots: tuple[Plot, ...]


TOLD = check(
    yaml.load(FILE.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)),
    Content,
    where=FILE.name,
)
"""What `stories.yaml` holds."""
