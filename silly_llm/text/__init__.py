"""Rule-based text processing: words in any script, languages, English inflections, story features."""

import json
from pathlib import Path
from typing import Any

EMBEDDED = Path(__file__).with_name("words.json")
"""The embedded word list: nouns, verbs and adjectives that a small child knows, and the kind of each."""
TABLES: dict[str, Any] = json.loads(Path(__file__).with_name("english.json").read_text(encoding="utf-8"))
"""Exceptions to English rules: irregular forms, words that look inflected, function words and stop words."""
