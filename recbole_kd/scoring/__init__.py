"""Scores of a model or of a cache on disk, and ranking by them."""
