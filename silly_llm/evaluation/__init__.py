"""Phase 5: evaluation, comparison and the report."""
