"""Phases 2 and 4: pretraining and instruction tuning."""
