"""Phase 3: instructions."""
