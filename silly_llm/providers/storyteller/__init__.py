"""The embedded teacher: a seeded story grammar. docs/storyteller.md says what it is and what it is not."""

from silly_llm.providers.storyteller.grammar import PLOTS, Story, tell
from silly_llm.providers.storyteller.provider import Storyteller, list_words, summarize, write

__all__ = ["PLOTS", "Story", "Storyteller", "list_words", "summarize", "tell", "write"]
