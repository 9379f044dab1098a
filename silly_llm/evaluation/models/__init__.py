"""The models that an evaluation measures: weights loaded here, and those behind an API."""
