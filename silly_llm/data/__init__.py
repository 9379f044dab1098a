"""Phases 1 and 3: vocabulary, stories and instructions."""
