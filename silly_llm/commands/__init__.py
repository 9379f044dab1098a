"""The commands that are not phases."""
