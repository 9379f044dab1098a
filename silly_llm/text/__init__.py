"""Text by rule: words in any script, languages, English inflections, story features."""

from pathlib import Path

EMBEDDED = Path(__file__).with_name("words.json")
"""The word list that comes with the package: nouns, verbs and adjectives of a small child, and the kind of each."""
