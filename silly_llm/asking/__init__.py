"""The one engine that every call of an LLM goes through."""
