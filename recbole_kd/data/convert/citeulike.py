"""CiteULike: ``users.dat`` (a count and item ids sorted by id, a line a user) and ``mult.dat`` (bags of words)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from recbole_kd.data.convert.lightgcn import parse_ids
from recbole_kd.data.convert.published import Layout, Option, Published, need_file, need_folder
from recbole_kd.data.text_features import counts_to_text
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from scipy import sparse

_OPTIONS = (
    Option("split", "random", "random (seeded 8:1:1 per user) or published (leaks id order)", ("random", "published")),
    Option("min_interactions", 5, "users with fewer are left out", low=1),
    Option("seed", 2020, "of the random split, and of the SVD in citeulike", low=0),
    Option("text_dim", 128, "columns of the text modality", low=1),
)


def read(
    source: Path, split: str = "random", min_interactions: int = 5, seed: int = 2020, text_dim: int = 128
) -> Published:
    """Read users and texts, and split each user's items 8:1:1.

    Both splits cut a user's n items after ``int(0.8 n)`` and ``int(0.9 n)``, as the published script does; ``random``
    shuffles them first, ``published`` leaves them sorted by id, which puts new items into test.

    Raises:
        UserError: a file is missing, a count disagrees with its line, or an id is out of range (line named).
    """
    folder = need_folder(source)
    counts = read_words(need_file(folder, ["mult.dat"], "bags of words"), folder / "vocabulary.dat")
    lists = read_users(need_file(folder, ["users.dat"], "user file"), items=counts.shape[0])
    generator = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {"train": [], "valid": [], "test": []}
    for user, items in enumerate(lists):
        if len(items) < min_interactions:
            continue
        row = np.array(items, dtype=np.int64)
        row = generator.permutation(row) if split == "random" else np.sort(row)
        pairs = np.stack([np.full(len(row), user), row], axis=1)
        cuts = [int(0.8 * len(row)), int(0.9 * len(row))]
        for name, part in zip(parts, np.split(pairs, cuts), strict=True):
            parts[name].append(part)
    if not parts["train"]:
        raise UserError(f"{folder / 'users.dat'} has no user with {min_interactions} interactions; lower the minimum")
    splits = {name: np.concatenate(part) for name, part in parts.items()}
    drawn = f"random split (seed {seed})" if split == "random" else "published split (sorted by id)"
    notes = [f"{drawn}, 8:1:1 per user, of users with at least {min_interactions} interactions."]
    if split == "published":
        new = 1 - np.isin(splits["test"][:, 1], splits["train"][:, 1]).mean()
        notes.append(
            f"The published split leaks id order: {new:.1%} of its test interactions are on items that training never "
            "saw; use it only to compare with printed tables."
        )
    if blank := int((counts.sum(axis=1) == 0).sum()):
        notes.append(f"{blank:,} items have no words; their text rows are zero.")
    text = counts_to_text(counts, text_dim, seed)
    return Published(splits, users=len(lists), items=counts.shape[0], features={"text": text}, notes=notes)


def read_users(path: Path, items: int) -> list[list[int]]:
    """Return each user's item ids; an item named twice by one user counts once."""
    lists = []
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            row = parse_ids(line, path, number)
            if row and row[0] != len(row) - 1:
                raise UserError(f"{path}, line {number}: announces {row[0]} items but holds {len(row) - 1}")
            if max(row[1:], default=0) >= items:
                raise UserError(f"{path}, line {number}: item {max(row[1:])} is out of range; the last is {items - 1}")
            lists.append(list(dict.fromkeys(row[1:])))
    return lists


def read_words(path: Path, vocabulary: Path) -> sparse.csr_matrix:
    """Return the bags of words as a float32 matrix (items, words)."""
    size = len(vocabulary.read_bytes().splitlines()) if vocabulary.is_file() else None
    words, counts, starts = [], [], [0]
    with path.open("rb") as stream:
        for number, line in enumerate(tqdm(stream, desc=path.name, unit=" items", delay=2), start=1):
            row = parse_ids(line.replace(b":", b" "), path, number)
            if row and len(row) != 1 + 2 * row[0]:
                raise UserError(f"{path}, line {number}: announces {row[0]} words but does not hold as many id:count")
            found = row[1::2]
            if size is not None and max(found, default=0) >= size:
                raise UserError(f"{path}, line {number}: word {max(found)} is out of range; the last is {size - 1}")
            words.extend(found)
            counts.extend(row[2::2])
            starts.append(len(words))
    if not words:
        raise UserError(f"{path} holds no words; copy it again")
    from scipy import sparse  # slow to import, and not for a command that is refused

    shape = (len(starts) - 1, size or max(words) + 1)
    return sparse.csr_matrix((np.array(counts, dtype=np.float32), words, starts), shape=shape)


LAYOUT = Layout("citeulike", "users.dat and mult.dat", read, _OPTIONS)
