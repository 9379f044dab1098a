"""The commands that are no phase."""
