"""Where tests find things."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
"""Real TinyStories text and models, where they are."""
