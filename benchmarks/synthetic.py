"""Interactions of any size, items with a long tail of popularity, as RecBole benchmark files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

NAME = "synthetic"


def write_interactions(folder: Path, users: int, items: int, interactions: int, seed: int, test: int = 10) -> None:
    """Write ``<folder>/synthetic/synthetic.{train,valid,test}.inter``.

    Args:
        folder: for ``data_path``.
        users: how many at most.
        items: how many at most.
        interactions: of the training split; at most half of users × items.
        seed: equal seeds give equal files.
        test: interactions of the validation split, and of the test split.
    """
    random = np.random.default_rng(seed)
    popularity = 1 / np.arange(10, items + 10) ** 0.5
    popularity /= popularity.sum()
    pairs = np.empty(0, dtype=np.int64)
    while len(pairs) < interactions + 2 * test:
        of_users = random.integers(0, users, interactions)
        of_items = random.choice(items, interactions, p=popularity)
        pairs = np.unique(np.concatenate([pairs, of_users * items + of_items]))
    train, valid, last, _ = np.split(random.permutation(pairs), np.cumsum([interactions, test, test]))
    for part, keys in {"train": train, "valid": valid, "test": last}.items():
        file = folder / NAME / f"{NAME}.{part}.inter"
        file.parent.mkdir(exist_ok=True)
        rows = np.stack([keys // items, keys % items], axis=1)
        pd.DataFrame(rows, columns=["user_id:token", "item_id:token"]).to_csv(file, sep="\t", index=False)
