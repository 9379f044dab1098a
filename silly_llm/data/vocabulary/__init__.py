"""Phase 1a: a vocabulary."""
