"""A vocabulary: nouns, verbs and adjectives, with why other words were refused. Read from a file, a folder or the Hub."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.folders.files import write_text
from silly_llm.core.lookup import find, is_hub_id
from silly_llm.data.opening import convert
from silly_llm.text import EMBEDDED

PARTS_OF_SPEECH = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives"}
"""What one word is called, and the key of its list."""
FILE_NAME = "vocabulary.json"
WORD_LISTS = (".csv", ".tsv", ".txt")
"""Endings of files with a word and its part of speech in each line."""


@dataclass(frozen=True)
class RefusedWord:
    """A word that did not pass the checks."""

    word: str
    pos: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """Words by part of speech, in the order in which they were accepted."""

    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    adjectives: tuple[str, ...]
    refused: tuple[RefusedWord, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def of(self, pos: str) -> tuple[str, ...]:
        """The words of a part of speech (`noun`, `verb`, `adjective`)."""
        return getattr(self, PARTS_OF_SPEECH[pos])

    def __len__(self) -> int:
        return len(self.nouns) + len(self.verbs) + len(self.adjectives)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_text(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def load_vocabulary(source: str | Path | None = None) -> Vocabulary:
    """Read a vocabulary.

    Args:
        source: a JSON file; a CSV, TSV or text file with a word and its part of speech in each line (`dog,noun`); a folder that holds
            `vocabulary.json`, or `nouns.txt`, `verbs.txt` and `adjectives.txt` with a word in each line; a Hub dataset id; or `None`
            for the embedded list.

    Raises:
        RecipeError: there is no such file, or it is not a vocabulary with all three parts of speech.
        RunError: the Hub cannot be reached.
    """
    path = local_path(source) or _from_hub(str(source))
    content: Any
    try:
        if path.is_dir():
            content = {key: _lines(path / f"{key}.txt") for key in PARTS_OF_SPEECH.values()}
        elif path.suffix.lower() in WORD_LISTS:
            content = _word_list(path)
        else:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
    except RecipeError:
        raise
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"vocabulary: {path}: is not UTF-8 text (byte {error.start:,}); {convert('WINDOWS-1252', str(path))}"
        ) from None
    except FileNotFoundError:
        raise RecipeError(f"vocabulary: {path}: no such file") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"vocabulary: {path}: is not a JSON file ({error})") from None
    lists: dict[str, tuple[str, ...]] = {}
    for key in PARTS_OF_SPEECH.values():
        words = content.get(key) if isinstance(content, dict) else None
        if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
            raise RecipeError(f"vocabulary: {path}: {key!r} must be a list of words")
        if not words:
            raise RecipeError(f"vocabulary: {path}: has no {key}; a story needs a noun, a verb and an adjective")
        lists[key] = tuple(words)
    refused = tuple(RefusedWord(r["word"], r["pos"], tuple(r["reasons"])) for r in content.get("refused", []))
    return Vocabulary(**lists, refused=refused, provenance=content.get("provenance", {}))


def _lines(path: Path) -> list[str]:
    """The lines of a file that say something."""
    return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def _word_list(path: Path) -> dict[str, list[str]]:
    """Words by key, from lines such as `dog,noun`, `dog;noun`, or `dog noun`, with a header or without.

    Raises:
        RecipeError: a line says something else.
    """
    keys = PARTS_OF_SPEECH | {key: key for key in PARTS_OF_SPEECH.values()}
    words: dict[str, list[str]] = {key: [] for key in PARTS_OF_SPEECH.values()}
    for number, line in enumerate(_lines(path), 1):
        cells = [c.strip().strip('"') for c in re.split(r"[,;\t]", line)]
        if len(cells) == 1:
            cells = line.rsplit(None, 1)
        word, key = (cells[0], keys.get(cells[1].lower())) if len(cells) > 1 else (line, None)
        if key and word:
            words[key].append(word)
        elif number > 1 or len(cells) == 1 or cells[0].lower() not in ("word", "words"):
            raise RecipeError(
                f"vocabulary: {path}: row {number}: {line[:40]!r} is no word with its part of speech; write one a line, such as 'dog,noun', "
                f"with {', '.join(PARTS_OF_SPEECH)}"
            )
    return words


def local_path(source: str | Path | None) -> Path | None:
    """The local file that `source` means; `None` when it is a Hub id.

    Raises:
        RecipeError: it looks like a path, but nothing is there.

    A folder is returned where it holds a text file for each part of speech.
    """
    if source is None:
        return EMBEDDED
    found = find(source, "vocabulary: ")
    if is_hub_id(found):
        return None
    path = Path(found)
    return path if not path.is_dir() or (path / "nouns.txt").is_file() else path / FILE_NAME


def _from_hub(repo_id: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

    try:
        return Path(hf_hub_download(repo_id, FILE_NAME, repo_type="dataset"))
    except RepositoryNotFoundError:
        raise RecipeError(f"vocabulary: {repo_id}: neither a local path nor a dataset on the Hub") from None
    except EntryNotFoundError as error:
        if isinstance(error, HfHubHTTPError):
            raise RecipeError(f"vocabulary: {repo_id}: the dataset on the Hub holds no {FILE_NAME}") from None
        raise RunError(f"vocabulary: {repo_id}: is no local path, and the Hub cannot be reached") from None
    except (HfHubHTTPError, OSError) as error:
        raise RunError(f"vocabulary: {repo_id}: the Hub cannot be reached ({type(error).__name__})") from None
