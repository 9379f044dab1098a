"""Prompts for stories and other texts."""
