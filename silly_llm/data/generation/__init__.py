"""Phase 1b: stories."""
