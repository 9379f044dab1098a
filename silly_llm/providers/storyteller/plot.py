"""What a plot is: the parts of a story that belong to one problem, with variants of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plot:
    """One problem and everything said about it.

    Texts hold slots in braces: `{hero} {he} {him} {his}`, `{friend} {fhe} {fhis}`, somebody else `{other} {ohim}`, the helper `{mom} {mhe}`, and the
    requested noun as `{a_n}` (*a ball, some milk, the sun*), `{the_n}`, `{my_n}`, `{about_n}` and `{it}`; a capital
    (`{The_n}`) starts a sentence. `{was}` agrees with the noun.
    """

    name: str
    kinds: str
    """Kinds of nouns (keys of `words.json`) that make sense here, separated by spaces."""
    setup: tuple[str, ...]
    """Brings the noun in."""
    problem: tuple[str, ...]
    attempt: tuple[str, ...]
    """What hero and friend try first."""
    success: tuple[str, ...]
    failure: tuple[str, ...]
    """Instead of `success`, for a bad ending."""
    twist: tuple[str, ...]
    """Instead of `success`, with a reveal."""
    sad_twist: tuple[str, ...]
    hint: tuple[str, ...]
    """Foreshadows the problem or its solution; stands before the problem."""
    say: tuple[str, ...]
    """What the hero complains of, in direct speech."""
    offer: tuple[str, ...]
    """What the friend answers."""
    ways: tuple[str, str]
    """What hero and friend want to do, when they quarrel: `wanted to …`."""
    moral: tuple[str, ...]
    """Clauses after `learned that`."""
    sad_moral: tuple[str, ...]
    summary: str
    """One line, without the end."""
    meeting: tuple[str, ...] = ()
    """How the friend comes in; empty for the usual ways."""
    child_only: bool = False
    """Only for children, not for animals that talk."""
