"""LLM providers: who writes the stories."""
