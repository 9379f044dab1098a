"""The trainers of transformers and TRL, for small models."""
