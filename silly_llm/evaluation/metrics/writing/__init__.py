"""How well a model writes, by rules and without an LLM that judges: grammar, coherence, readability."""
