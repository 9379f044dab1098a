"""Minimal pairs: a right and a wrong text that differ in as little as possible. Our suites, BLiMP's and EWoK's rows, or a user's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RecipeError, first_line

FOLDER = Path(__file__).parent
SUITES = ("factual", "reasoning", "context_tracking", "world_knowledge")
"""Those of our own writing, which come with the package."""
SLOT = re.compile(r"\{([^{}|]+)\|([^{}|]+)\}")
CROSSED = ("Context1", "Context2", "Target1", "Target2")
"""The columns of EWoK."""


@dataclass(frozen=True)
class Pair:
    """Two texts, the first of which should be the likelier one."""

    good: str
    bad: str
    paradigm: str = ""
    """The kind of pair, whose mean counts once in the suite's."""
    field: str = ""
    """A group of paradigms."""
    item: str = ""
    """Pairs of one item share their words, and are not independent."""
    given_good: str = ""
    """How the good text begins, where only what comes after it counts."""
    given_bad: str = ""


def crossed(contexts: tuple[str, str], targets: tuple[str, str], given: bool, **about: str) -> Iterator[Pair]:
    """The two pairs of two contexts and the targets that go with them.

    Args:
        given: Compare a target after its own context with the same target after the other one, context excluded, as EWoK
            does; else the two targets after the same context.
    """
    texts = [[f"{context} {target}" for target in targets] for context in contexts]
    about = {"item": " ".join((*contexts, *targets)), **about}
    for own, other in ((0, 1), (1, 0)):
        if given:
            own_context, other_context = contexts[own], contexts[other]
            yield Pair(texts[own][own], texts[other][own], given_good=own_context, given_bad=other_context, **about)
        else:
            yield Pair(texts[own][own], texts[own][other], **about)


def read_suite(file: Path) -> list[Pair]:
    """The pairs of a suite in YAML: `compare` is `targets` or `contexts`; `items` has lines of `CONTEXT => TARGET` by paradigm, with
    `{first|second}` in both.

    Raises:
        RecipeError: the file is not such a suite.
    """
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"dataset: {file}: cannot be read as YAML ({first_line(error)})") from None
    items, compare = (content.get(key) for key in ("items", "compare")) if isinstance(content, dict) else (None, None)
    blocks = isinstance(items, dict) and all(isinstance(lines, str) for lines in items.values())
    if not isinstance(items, dict) or not blocks or compare not in ("targets", "contexts"):
        what = "`compare: targets` or `contexts`, and `items` with lines by paradigm"
        raise RecipeError(f"dataset: {file}: expected {what}")
    pairs: list[Pair] = []
    for paradigm, lines in items.items():
        for line in filter(None, map(str.strip, lines.splitlines())):
            context, arrow, target = line.partition(" => ")
            if not arrow or not SLOT.search(context) or not SLOT.search(target):
                raise RecipeError(
                    f"dataset: {file}: {paradigm}: expected `CONTEXT => TARGET`, each with {{a|b}}: {line!r}"
                )
            contexts, targets = ((SLOT.sub(r"\1", part), SLOT.sub(r"\2", part)) for part in (context, target))
            pairs += crossed(contexts, targets, compare == "contexts", paradigm=str(paradigm))
    return pairs


def read_rows(rows: Iterable[Mapping[str, Any]], name: str, columns: Mapping[str, str]) -> list[Pair]:
    """The pairs of a dataset's rows: those of BLiMP, of EWoK, or any with columns for the good and the bad text.

    Args:
        columns: the names of the columns `good`, `bad`, `paradigm` and `field`; the last two may be missing in the rows.

    Raises:
        RecipeError: a column is missing, or a text is blank.
    """
    pairs: list[Pair] = []
    for number, row in enumerate(rows, 1):
        needed = CROSSED if set(CROSSED) <= set(row) else (columns["good"], columns["bad"])
        for column in needed:
            if not isinstance(row.get(column), str) or not row[column].strip():
                state = "is not a text, or blank" if column in row else f"is not there; the rows have {', '.join(row)}"
                raise RecipeError(f"dataset: {name}: row {number}: {column!r} {state}")
        about = {key: str(row.get(columns[key]) or "") for key in ("paradigm", "field")}
        texts = [row[column] for column in needed]
        if needed is CROSSED:
            about["paradigm"] = about["paradigm"] or str(row.get("Domain") or "")
            pairs += crossed((texts[0], texts[1]), (texts[2], texts[3]), True, **about)
        else:
            pairs.append(Pair(*texts, **about))
    return pairs
