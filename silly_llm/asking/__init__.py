"""The engine behind every LLM call."""
