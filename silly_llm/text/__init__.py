"""Text by rule: words in any script, languages, English inflections, story features."""

import json
from pathlib import Path
from typing import Any

EMBEDDED = Path(__file__).with_name("words.json")
"""The word list that comes with the package: nouns, verbs and adjectives of a small child, and the kind of each."""
TABLES: dict[str, Any] = json.loads(Path(__file__).with_name("english.json").read_text(encoding="utf-8"))
"""What English has no rule for: irregular forms, words that look inflected, function words and stop words."""
