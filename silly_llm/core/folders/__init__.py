"""Output folders: what is ours in them, what changed, where it came from."""
