"""A trained model from its checkpoint, and its recommendations."""
