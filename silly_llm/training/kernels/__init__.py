"""Computations that save time or memory."""
