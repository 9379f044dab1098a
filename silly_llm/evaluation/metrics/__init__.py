"""Evaluation providers."""
