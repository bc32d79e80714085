"""Quartiles of users by activity and of items by popularity, by their training interactions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd


class Groups(NamedTuple):
    """``of`` int64 (n,): the group of each, 0 having the fewest interactions; ``labels``: what numbers they have."""

    of: np.ndarray
    labels: list[str]


def quartiles(values: np.ndarray) -> Groups:
    """Up to four groups about equally large; equal values are never parted.

    Args:
        values: whole numbers (n,).
    """
    of = pd.qcut(values, 4, labels=False, duplicates="drop") if len(np.unique(values)) > 1 else np.zeros(len(values))
    of = np.unique(np.nan_to_num(of), return_inverse=True)[1]
    labels = []
    for group in range(of.max() + 1):
        low, high = values[of == group].min(), values[of == group].max()
        labels.append(f"{low:,}" if low == high else f"{low:,}–{high:,}")
    return Groups(of, labels)
