"""The progress bar: one that a notebook draws where it can, else one of characters."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a notebook without ipywidgets gets characters, which is all that it is told
    from tqdm.auto import tqdm

__all__ = ["tqdm"]
