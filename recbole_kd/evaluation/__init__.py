"""Metrics of each user, tests on them, and what a ranking costs."""
