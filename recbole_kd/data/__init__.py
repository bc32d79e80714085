"""Interactions and item features, from files on disk to tensors aligned with RecBole's internal ids."""
