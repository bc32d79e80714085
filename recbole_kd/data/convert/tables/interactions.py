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
        times: float64 (n,), seconds, where the table has some.
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
        ends = (0.0, 0.0) if self.times is None else (self.times.min(), self.times.max())
        if 0 < ends[0] <= ends[1] < _YEAR_9999:
            first, last = (datetime.fromtimestamp(time, UTC) for time in ends)
            lines.append(f"times      {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC")
        return "\n".join([*lines, f"split      {self.split.what}"])


def in_order(found: Interactions) -> Interactions:
    """The rows by time, where RecBole would not sort them right: it keeps times as float32, and sorts those stably."""
    if found.times is None:
        return found
    with np.errstate(over="ignore"):
        by_recbole = np.argsort(found.times.astype(np.float32), kind="stable")
    if (np.diff(found.times[by_recbole]) >= 0).all():
        return found
    return found.taken(np.argsort(found.times, kind="stable"))


def without_repeats(found: Interactions, keep: str) -> Interactions:
    """Each pair of user and item once: its ``first`` row or its ``last``, by time where there are times."""
    pairs = found.users.astype(np.int64) * len(found.item_tokens) + found.items
    order = np.arange(len(found)) if found.times is None else np.argsort(found.times, kind="stable")
    if keep == "last":
        order = order[::-1]
    _, rows = np.unique(pairs[order], return_index=True)
    return found if len(rows) == len(found) else found.taken(np.sort(order[rows]))


def core(found: Interactions, min_user: int, min_item: int) -> Interactions:
    """The largest part in which each user has ``min_user`` rows and each item ``min_item``."""
    while len(found):
        of_user, of_item = np.bincount(found.users), np.bincount(found.items)
        kept = (of_user[found.users] >= min_user) & (of_item[found.items] >= min_item)
        if kept.all():
            break
        found = found.taken(kept)
    return found
