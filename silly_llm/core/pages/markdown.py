"""Text from outside (names, prompts, stories) in Markdown that we write: nothing of it becomes markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARKS = re.compile(r"([\\`*_#<>|\[\]~&$])")
_BEGINS = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=]))")
"""Before what makes a line a list, a heading or a rule."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(text: object) -> str:
    """Without line ends and control characters; every run of white space is one space."""
    return " ".join(_CONTROL.sub(" ", str(text)).split())


def inline(text: object) -> str:
    """Text within a line, a heading or a cell of a table."""
    return _BEGINS.sub(r"\1\\", _MARKS.sub(r"\\\1", one_line(text)))


def code(text: object) -> str:
    """A code span (not for tables, where `|` would end the cell)."""
    line = one_line(text)
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def fence(text: str) -> str:
    """The fence of a code block that holds `text`."""
    return "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))


def quoted(text: str) -> str:
    """A block quote with the lines of the text."""
    lines = (inline(line) for line in text.strip().splitlines())
    return "\n".join(f"> {line}".rstrip() for line in lines)


def table(rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Rows of cells, the first row heads, as a table whose columns line up; all but the first `texts` columns stand on the right."""
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    ruler = ["-" * (w - 1) + ("-" if i < texts else ":") for i, w in enumerate(widths)]
    lines = [
        [text.ljust(w) if i < texts else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))]
        for row in (rows[0], ruler, *rows[1:])
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
