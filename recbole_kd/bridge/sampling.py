"""RecBole's negative items to the digit, checked against a table instead of one Python set after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from recbole.sampler import Sampler
from torch import Tensor

_TABLE = 2**26  # places, a byte each, that every data set may have; larger ones have more
_PLACES_A_PAIR = 8


class UsedItems:
    """Which items each user has interacted with: a set a user where RecBole asks for one, some bytes a pair.

    RecBole keeps a Python set a user for each part of the split, which is a hundred bytes a pair.
    """

    def __init__(self, users: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> None:
        """Args:
        users: int (n,), of pairs in any order, which may repeat.
        items: int (n,).
        n_users: the padding included.
        n_items: the padding included.
        """
        keys = np.sort(users.astype(np.int64) * n_items + items)
        self._keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
        self._n_items = n_items
        self._starts = np.searchsorted(self._keys, np.arange(n_users + 1) * n_items)
        self._table: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, user: int | None) -> set[int]:
        if user is None:  # RecBole asks for the user before the first one, and makes nothing of it
            return set()
        row = self._keys[self._starts[user] : self._starts[user + 1]]
        return set((row - user * self._n_items).tolist())

    def __iter__(self) -> Iterator[set[int]]:
        return (self[user] for user in range(len(self)))

    def counts(self) -> np.ndarray:
        """How many items each user has, (n_users,)."""
        return np.diff(self._starts)

    def contain(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Which of the pairs ``users`` (n,) and ``items`` (n,) there are, bool (n,)."""
        keys = users * self._n_items + items
        if self._table is None:
            self._table = np.zeros(
                min(len(self) * self._n_items, max(_TABLE, _PLACES_A_PAIR * len(self._keys))), dtype=bool
            )
            self._table[self._keys % len(self._table)] = True
        found = self._table[keys % len(self._table)]
        if len(self._table) < len(self) * self._n_items:  # several pairs share a place: see which it is
            some = np.flatnonzero(found)
            places = np.searchsorted(self._keys, keys[some])
            found[some] = self._keys[np.minimum(places, len(self._keys) - 1)] == keys[some]
        return found


class TabledSampler(Sampler):
    """RecBole's sampler of negatives: the same numbers drawn in the same order, so the same items."""

    def get_used_ids(self) -> dict[str, UsedItems]:
        """The items of each phase and those before it, by phase.

        Raises:
            ValueError: a user has every item, in RecBole's words.
        """
        found: dict[str, UsedItems] = {}
        pairs = [
            [part.inter_feat[field].numpy() for field in (self.uid_field, self.iid_field)] for part in self.datasets
        ]
        for last, phase in enumerate(self.phases, 1):
            users, items = (np.concatenate(columns) for columns in zip(*pairs[:last], strict=True))
            found[phase] = UsedItems(users, items, self.user_num, self.item_num)
        held_out = getattr(self.datasets[0], "held_out", None)
        self._held_out = None if held_out is None else held_out.numpy()
        most = self.item_num - 1 - (0 if self._held_out is None else int(self._held_out.sum()))
        if (found[self.phases[-1]].counts() == self.item_num - 1).any() or (found["train"].counts() >= most).any():
            raise ValueError("Some users have interacted with all items, which we can not sample negative items for.")
        return found

    def sample_by_key_ids(self, key_ids: np.ndarray, num: int) -> Tensor:
        """Items (num · B,) that the users ``key_ids`` (B,) have not met; one of each user before the second of any."""
        users = np.tile(np.asarray(key_ids), num)
        items = self.sampling(len(users))
        doubtful = np.flatnonzero(self._refused(users, items))
        while len(doubtful):
            items[doubtful] = self.sampling(len(doubtful))
            doubtful = doubtful[self._refused(users[doubtful], items[doubtful])]
        return torch.from_numpy(items)

    def _refused(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Which pairs are no negatives: what a user has met, and in training what is held out of it."""
        met = self.used_ids.contain(users, items)
        return met if self._held_out is None or self.phase != "train" else met | self._held_out[items]

    def _pop_sampling(self, sample_num: int) -> np.ndarray:
        """By popularity, as RecBole's alias table has it."""
        items, probabilities, aliases = self._alias_arrays
        places = np.random.randint(0, len(items), sample_num)  # noqa: NPY002 - RecBole's generator
        return np.where(probabilities[places] > np.random.random(sample_num), items[places], aliases[places])  # noqa: NPY002

    def _build_alias_table(self) -> None:
        super()._build_alias_table()
        items = np.array(list(self.prob), dtype=np.int64)
        kept = (np.array([table[item] for item in items.tolist()]) for table in (self.prob, self.alias))
        self._alias_arrays = items, *kept
