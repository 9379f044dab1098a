"""A vocabulary: nouns, verbs and adjectives, and the words refused with reasons. Read from a file, a folder or the Hub."""

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
from silly_llm.data.opening import UTF16, convert
from silly_llm.text import EMBEDDED

PARTS_OF_SPEECH = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives"}
"""Each part of speech, and the key of its list."""
FILE_NAME = "vocabulary.json"
WORD_LISTS = (".csv", ".tsv", ".txt")
"""Extensions of files with a word and its part of speech per line."""


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
            source: a JSON file; a CSV, TSV or text file with a word and its part of speech per line (`dog,noun`); a folder that contains
                `vocabulary.json`, or `nouns.txt`, `verbs.txt` and `adjectives.txt` with a word per line; a Hub dataset id; or `None`
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
        lists = {key: _words(content, key) for key in PARTS_OF_SPEECH.values()}
        refused = tuple(RefusedWord(r["word"], r["pos"], tuple(r["reasons"])) for r in content.get("refused", []))
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text (byte {error.start:,}); {convert('UTF-16' if error.object.startswith(UTF16) else 'WINDOWS-1252', str(path))}"
    except FileNotFoundError:
        reason = "no such file"
    except RecipeError as error:
        reason = str(error)
    except (KeyError, TypeError):
        reason = "'refused' must be a list of {word, pos, reasons}"
    except (OSError, ValueError) as error:
        reason = f"is not a JSON file, nor one of {', '.join(WORD_LISTS)} ({error})"
    else:
        return Vocabulary(**lists, refused=refused, provenance=content.get("provenance", {}))
    raise RecipeError(f"vocabulary: {path}: {reason}")


def _words(content: Any, key: str) -> tuple[str, ...]:
    words = content.get(key) if isinstance(content, dict) else None
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise RecipeError(f"{key!r} must be a list of words")
    if not words:
        raise RecipeError(f"has no {key}; a story needs a noun, a verb and an adjective")
    return tuple(words)


def _lines(path: Path) -> list[str]:
    """The non-blank lines of a file."""
    return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def _word_list(path: Path) -> dict[str, list[str]]:
    """Words by key, from lines such as `dog,noun`, `dog;noun`, or `dog noun`, with or without a header."""
    words: dict[str, list[str]] = {key: [] for key in PARTS_OF_SPEECH.values()}
    for number, line in enumerate(_lines(path), 1):
        cells = [c.strip().strip('"') for c in re.split(r"[,;\t]", line)]
        if len(cells) == 1:
            cells = line.rsplit(None, 1)
        word, pos = (cells[0], cells[1].lower()) if len(cells) > 1 else (line, "")
        key = PARTS_OF_SPEECH.get(pos, pos)
        if key in words and word:
            words[key].append(word)
        elif number > 1 or len(cells) == 1 or word.lower() not in ("word", "words"):
            raise RecipeError(
                f"row {number}: {line[:40]!r} is not a word with its part of speech; write one per line, such as 'dog,noun', with "
                f"{', '.join(PARTS_OF_SPEECH)}"
            )
    return words


def local_path(source: str | Path | None) -> Path | None:
    """The local file (or folder of text files) that `source` refers to; `None` for a Hub id.

    Raises:
        RecipeError: it looks like a path, but does not exist.
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
    from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(hf_hub_download(repo_id, FILE_NAME, repo_type="dataset"))
    except RepositoryNotFoundError:
        raise RecipeError(f"vocabulary: {repo_id}: neither a local path nor a dataset on the Hub") from None
    except RemoteEntryNotFoundError:
        raise RecipeError(f"vocabulary: {repo_id}: the dataset on the Hub contains no {FILE_NAME}") from None
    except OSError as error:
        raise RunError(f"vocabulary: {repo_id}: the Hub cannot be reached ({type(error).__name__})") from None
