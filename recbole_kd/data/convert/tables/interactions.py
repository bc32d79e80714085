"""The interactions of a table, and what is left out of them before they are written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

_YEAR_9999 = 253370764800  # seconds


@dataclass(frozen=True)
class Split:
    """How runs divide the interactions.

    Attributes:
        what: for the user.
        eval_args: RecBole's, without the mode.
        by_time: whether it needs the times.
        key: the value of the key ``split``, where there is one.
    """

    what: str
    eval_args: str
    by_time: bool = False
    key: str = ""


@dataclass
class Interactions:
    """Rows of user and item, each by its number.

    Attributes:
        users: int32 (n,), positions in ``user_tokens``.
        items: int32 (n,), positions in ``item_tokens``.
        user_tokens: the table's own ids.
        item_tokens: likewise.
        ratings: float64 (n,), where the table has some.
        times: float64 (n,), seconds, ascending, where the table has some.
        split: how runs divide them.
        rows: of the table, for the summary.
        notes: sentences that the user should read, and that go into the yaml file.
    """

    users: np.ndarray
    items: np.ndarray
    user_tokens: list[str]
    item_tokens: list[str]
    ratings: np.ndarray | None
    times: np.ndarray | None
    split: Split
    rows: int
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.users)

    def taken(self, rows: np.ndarray) -> Interactions:
        """The interactions of some rows, given as a mask or by their positions."""
        ratings = None if self.ratings is None else self.ratings[rows]
        times = None if self.times is None else self.times[rows]
        return replace(self, users=self.users[rows], items=self.items[rows], ratings=ratings, times=times)

    def counts(self) -> tuple[int, int]:
        """How many users and items have interactions."""
        return len(np.unique(self.users)), len(np.unique(self.items))

    def summary(self) -> str:
        """The lines that ``convert`` prints."""
        users, items = self.counts()
        density = len(self) / (users * items)
        lines = [
            f"read       {self.rows:,} rows",
            f"users      {users:,}",
            f"items      {items:,}",
            f"interactions  {len(self):,} (density {density:.4%})",
        ]
        if self.times is not None and 0 < self.times[0] <= self.times[-1] < _YEAR_9999:
            first, last = (datetime.fromtimestamp(time, UTC) for time in (self.times[0], self.times[-1]))
            lines.append(f"times      {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC")
        return "\n".join([*lines, f"split      {self.split.what}"])


def in_order(found: Interactions) -> Interactions:
    """The rows by time; those of one moment stay as they are. RecBole keeps times as float32, so the order matters."""
    if found.times is None or (np.diff(found.times) >= 0).all():
        return found
    return found.taken(np.argsort(found.times, kind="stable"))


def without_repeats(found: Interactions, keep: str) -> Interactions:
    """Each pair of user and item once: its ``first`` row or its ``last``; the others keep their order."""
    pairs = found.users.astype(np.int64) * len(found.item_tokens) + found.items
    if keep == "last":
        pairs = pairs[::-1]
    _, rows = np.unique(pairs, return_index=True)
    if len(rows) == len(found):
        return found
    return found.taken(np.sort(len(found) - 1 - rows if keep == "last" else rows))


def core(found: Interactions, min_user: int, min_item: int) -> Interactions:
    """The largest part in which each user has ``min_user`` rows and each item ``min_item``."""
    while len(found):
        of_user, of_item = np.bincount(found.users), np.bincount(found.items)
        kept = (of_user[found.users] >= min_user) & (of_item[found.items] >= min_item)
        if kept.all():
            break
        found = found.taken(kept)
    return found
