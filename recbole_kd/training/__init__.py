"""A run: its plan, its stages, what is kept of them."""
