"""LightGCN's layout: ``train.txt`` and ``test.txt``, a line ``user item item …``; no features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from recbole_kd.data.convert.published import MAX_ID, Layout, Option, Published, need_file, need_folder
from recbole_kd.foundation.errors import UserError

_OPTIONS = (
    Option("valid_ratio", 0.1, "share of each user's train items that becomes validation", low=0.0, high=0.9),
    Option("seed", 2020, "of the random split, and of the SVD in citeulike", low=0),
)


def read(source: Path, valid_ratio: float = 0.1, seed: int = 2020) -> Published:
    """Read both files; the test split stays as published.

    Where no ``valid.txt`` is published, a seeded share of each user's training items becomes validation: rounded
    down, but at least one where a user has two or more.

    Raises:
        UserError: a file is missing, or a token is no number or out of range (line named).
    """
    folder = need_folder(source)
    splits = {split: read_lists(need_file(folder, [f"{split}.txt"], f"{split} file")) for split in ("train", "test")}
    notes = []
    if (folder / "valid.txt").is_file():
        splits["valid"] = read_lists(folder / "valid.txt")
    elif valid_ratio > 0:
        splits["train"], splits["valid"] = hold_out(splits["train"], valid_ratio, seed)
        notes.append(f"valid is not published: {valid_ratio:g} of each user's train items, drawn with seed {seed}.")
    else:
        raise UserError(f"{folder} holds no valid.txt and valid_ratio is 0; RecBole needs a validation split")
    pairs = np.concatenate(list(splits.values()))
    users, items = (pairs.max(axis=0) + 1).tolist() if len(pairs) else (0, 0)
    return Published(splits, users=users, items=items, notes=notes)


def read_lists(path: Path) -> np.ndarray:
    """Read lines ``user item item …``; a user without items is fine, and so is a blank line.

    Returns:
        int64 (n, 2), user and item.
    """
    users, counts, items = [], [], []
    with path.open("rb") as stream:
        for number, line in enumerate(tqdm(stream, desc=path.name, unit=" users", delay=2), start=1):
            row = parse_ids(line, path, number)
            if row:
                users.append(row[0])
                counts.append(len(row) - 1)
                items.extend(row[1:])
    pairs = np.empty((len(items), 2), dtype=np.int64)
    pairs[:, 0] = np.repeat(np.array(users, dtype=np.int64), counts)
    pairs[:, 1] = items
    return pairs


def parse_ids(line: bytes, path: Path, number: int) -> list[int]:
    """Return the ids of one line, or raise UserError with the file and the line number."""
    tokens = line.split()
    try:
        # int() alone would take "1_000" and "+5"
        if all(token.isdigit() for token in tokens):
            ids = [int(token) for token in tokens]
            if not ids or max(ids) <= MAX_ID:
                return ids
    except ValueError:
        pass
    bad = next(token for token in tokens if not token.isdigit() or len(token) > 10 or int(token) > MAX_ID)
    why = "out of range" if bad.isdigit() else "not a number from 0"
    raise UserError(f"{path}, line {number}: {bad[:40].decode('utf-8', 'replace')!r} is {why}; copy the file again")


def hold_out(pairs: np.ndarray, ratio: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split int64 (n, 2) pairs into the rest and a seeded share of each user's."""
    generator = np.random.default_rng(seed)
    # by user, and at random within a user
    order = np.lexsort((generator.random(len(pairs)), pairs[:, 0]))
    _, start, count = np.unique(pairs[order, 0], return_index=True, return_counts=True)
    rank = np.arange(len(pairs)) - np.repeat(start, count)
    share = np.where(count > 1, np.maximum(1, (count * ratio).astype(np.int64)), 0)
    held = np.zeros(len(pairs), dtype=bool)
    held[order] = rank < np.repeat(share, count)
    return pairs[~held], pairs[held]


LAYOUT = Layout("lightgcn", "train.txt and test.txt, a line `user item item ...`", read, _OPTIONS)
