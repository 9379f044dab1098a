"""Silly LLM: small language models from synthetic stories, with the tools of the Hugging Face ecosystem."""

__version__ = "0.1.0"
