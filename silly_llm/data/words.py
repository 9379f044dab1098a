"""A vocabulary: nouns, verbs and adjectives, with why other words were refused. Read from a file, a folder or the Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from silly_llm.errors import RecipeError, RunError
from silly_llm.lookup import find, is_hub_id
from silly_llm.output import write_text

PARTS_OF_SPEECH = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives"}
"""What one word is called, and the key of its list."""
FILE_NAME = "vocabulary.json"
EMBEDDED = Path(__file__).with_name("words.json")


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
        source: a JSON file, a folder that holds `vocabulary.json`, a Hub dataset id, or `None` for the embedded list.

    Raises:
        RecipeError: there is no such file, or it is not a vocabulary with all three parts of speech.
        RunError: the Hub cannot be reached.
    """
    path = local_path(source) or _from_hub(str(source))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
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
            raise RecipeError(
                f"vocabulary: {path}: has no {key}; a story needs a noun, a verb and an adjective"
            )
        lists[key] = tuple(words)
    refused = tuple(RefusedWord(r["word"], r["pos"], tuple(r["reasons"])) for r in content.get("refused", []))
    return Vocabulary(**lists, refused=refused, provenance=content.get("provenance", {}))


def local_path(source: str | Path | None) -> Path | None:
    """The local file that `source` means; `None` when it is a Hub id.

    Raises:
        RecipeError: it looks like a path, but nothing is there.
    """
    if source is None:
        return EMBEDDED
    found = find(source, "vocabulary: ")
    if is_hub_id(found):
        return None
    return Path(found) / FILE_NAME if Path(found).is_dir() else Path(found)


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
