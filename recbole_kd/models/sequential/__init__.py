"""Sequential recommenders: a state is what a model makes of a history."""
