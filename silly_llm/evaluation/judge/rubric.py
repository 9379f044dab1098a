"""What is sent to a judge, and how its verdict is read: the rubric, the story as data, the schema.

A story must not speak to its judge. It stands in a message of its own as strings of JSON in which whatever chat templates, Markdown or
JSON give a meaning is written as an escape, so it can neither end its frame nor begin a turn; and a verdict counts only with the
name that its question asks for, which no story knows.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RecipeError, first_line, suggestion

GRADES = ("grammar", "creativity", "consistency", "plot")
AGE_GROUPS = {"A": "3 or younger", "B": "4-5", "C": "6-7", "D": "8-9", "E": "10-12", "F": "13-16"}
_SPECIAL = re.compile(r"""[^A-Za-z0-9 .,;:!?'"()/&%$+=\\-]""")
"""What does not stand for itself in a string of JSON: each such character is looked at."""
FRAMES = str.maketrans("<>[]|", "()()/")
"""What control tokens of chat templates are made of, and what a judge's assessment has in its place."""
RUBRICS = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.jinja"))}
OF_STORY = {"type": "integer", "minimum": 1, "maximum": 10}
PARTS = {
    ("beginning", "completion"): {"judged": "the completion", "consistency": "with the beginning"},
    ("instruction", "story"): {"judged": "the story", "consistency": "with the instruction, which it must follow"},
}
"""The parts of a work, and what the rubric calls them. Two works to be compared share the first part."""


@dataclass(frozen=True)
class Work:
    """What a judge is shown."""

    name: str
    """Its unit in the evidence."""
    parts: Mapping[str, str]
    """The task and the story (`PARTS`) or, to be compared, two stories `first` and `second`."""
    prompt: str = ""
    """The name of its prompt."""
    repeat: int = 0
    """How often it was judged before."""

    @property
    def compared(self) -> bool:
        return "second" in self.parts

    @property
    def id(self) -> str:
        """What a verdict on it must be named."""
        return hashlib.sha256(json.dumps(["verdict", *self.parts.items()]).encode()).hexdigest()[:6]

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a verdict."""
        graded: dict[str, Any] = {**dict.fromkeys(GRADES, OF_STORY), "age_group": {"enum": list(AGE_GROUPS)}}
        asked = {"better": {"enum": ["1", "2", "tie"]}} if self.compared else graded
        properties = {"id": {"type": "string"}} | {key: {"type": "string"} | kind for key, kind in asked.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def read(self, answer: str) -> dict[str, Any]:
        """The verdict in a judge's answer: its only JSON object, valid under the schema and with the right id.

        Raises:
            ValueError: there is none; says why in a few words.
        """
        import jsonschema

        begins = answer.find("{")
        if begins < 0:
            raise ValueError("no JSON")
        try:
            verdict, ends = json.JSONDecoder().raw_decode(answer, begins)
            jsonschema.validate(verdict, self.schema())
        except ValueError:
            raise ValueError("not JSON") from None
        except jsonschema.ValidationError as error:
            where = f" at {error.path[0]}" if error.path else ""
            raise ValueError(f"not valid under the schema{where}") from None
        if "{" in answer[ends:]:
            raise ValueError("more than one JSON object")
        if verdict["id"] != self.id:
            raise ValueError("another id")
        return verdict


class Rubric:
    """A versioned template with the blocks `system` (what the judge is and does) and `verdict` (what it answers).

    Args:
        source: the name of one that comes with the package, or the path of one's own (`NAME-VERSION.jinja`).

    Raises:
        RecipeError: it is not there, no Jinja, or lacks a block or `{{ id }}`.
    """

    def __init__(self, source: str = "tinystories-1") -> None:
        from jinja2 import StrictUndefined, TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        path = RUBRICS.get(source, Path(source))
        if not path.is_file():
            raise RecipeError(f"rubric: {source}: no such file{suggestion(source, RUBRICS)}")
        name, _, version = path.stem.rpartition("-")
        try:
            text = path.read_text(encoding="utf-8")
            self._template = ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(text)
            for parts in PARTS:
                work = Work("", dict.fromkeys(parts, ""))
                if not self.system(work) or work.id not in self.verdict(work):
                    raise RecipeError(f"rubric: {source}: its verdict must ask for the id with {{{{ id }}}}")
        except KeyError as error:
            raise RecipeError(f"rubric: {source}: has no block {error}") from None
        except (OSError, UnicodeDecodeError, TemplateError, TypeError) as error:
            raise RecipeError(f"rubric: {source}: {first_line(error)}") from None
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.about = {"name": name or path.stem, "version": version if name else "", "digest": digest}

    def system(self, work: Work) -> str:
        return self._render("system", work)

    def verdict(self, work: Work) -> str:
        return self._render("verdict", work)

    def _render(self, block: str, work: Work) -> str:
        task = next(iter(work.parts))
        words = next(said for parts, said in PARTS.items() if parts[0] == task)
        about = {
            "id": work.id,
            "parts": list(work.parts),
            "compared": work.compared,
            "keys": list(work.schema()["properties"]),
        }
        context = self._template.new_context({**words, **about, "instructed": task == "instruction"})
        return "".join(self._template.blocks[block](context)).strip()


def as_data(parts: Mapping[str, str]) -> str:
    """Texts as one line of JSON in which they can mean nothing but themselves."""
    strings = {key: _SPECIAL.sub(_escaped, json.dumps(text, ensure_ascii=False)) for key, text in parts.items()}
    return "{" + ", ".join(f'"{key}": {string}' for key, string in strings.items()) + "}"


def harmless(text: str) -> str:
    """A judge's assessment, which may quote a story, without what could be taken for a control token."""
    return text.translate(FRAMES)


def _escaped(found: re.Match[str]) -> str:
    """Letters, punctuation and pictures of the world as they are, unless they are ASCII in disguise; all else by its code."""
    character = found[0]
    folded = unicodedata.normalize("NFKC", character)
    if (
        not character.isascii()
        and unicodedata.category(character)[0] in "LMNPS"
        and not any(c.isascii() and _SPECIAL.match(c) for c in folded)
    ):
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
