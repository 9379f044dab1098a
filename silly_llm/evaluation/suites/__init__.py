"""Texts of our own that evaluations are made with: beginnings of stories, and suites of minimal pairs."""
