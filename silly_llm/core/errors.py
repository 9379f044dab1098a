"""The errors that people see as one line, without secrets."""

import difflib
from collections.abc import Iterable

from silly_llm.core.console.masking import mask


class Masked(Exception):
    """An error whose message shows no secret."""

    def __init__(self, message: object) -> None:
        super().__init__(mask(str(message), loosely=True))


class RecipeError(Masked, ValueError):
    """What was asked for is wrong (a recipe, an option, a path). Exit code 2; nothing has been written."""


class NotInstalledError(RecipeError):
    """What was asked for is right, but needs something that is not installed here. Exit code 2 as well."""


class RunError(Masked, RuntimeError):
    """What was asked for is right, but could not be done (no server, no disk, another process). Exit code 1."""


def suggestion(name: str, known: Iterable[object]) -> str:
    """``" (did you mean 'x'?)"`` for the nearest of the `known` names, or the empty string."""
    nearest = difflib.get_close_matches(str(name), map(str, known), n=1, cutoff=0.5)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""


def first_line(error: BaseException) -> str:
    """What an error says, in a line of at most 200 characters; its class where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
