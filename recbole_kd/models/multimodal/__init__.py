"""Recommenders on RecBole's contract, one file a model."""
