"""Negative items for list-wise distillation."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_kd.bridge.recbole import Dataset
from recbole_kd.data.interactions import pairs_of

_ROUNDS = 20


class NegativeSampler:
    """Draws items uniformly from those a user has no training interaction with.

    Reads no global generator, so that it does not shift the random numbers of the student's training.
    """

    def __init__(self, dataset: Dataset, generator: torch.Generator) -> None:
        """Args:
        dataset: the training split.
        generator: on the CPU; its owner saves and restores it.
        """
        self.n_items = dataset.item_num
        users, items = pairs_of(dataset)
        self._positives = torch.unique(users * self.n_items + items)  # sorted
        self._generator = generator

    def sample(self, users: Tensor, count: int) -> Tensor:
        """Return (B, count) item ids, on the device of ``users``; repeats within a row may occur.

        A user who has interacted with nearly everything may keep a few positives after many tries.
        """
        owner = (users.cpu() * self.n_items).repeat_interleave(count)
        items = self._draw(len(owner))
        doubtful = torch.arange(len(owner))
        for _ in range(_ROUNDS):
            keys = owner[doubtful] + items[doubtful]
            place = torch.searchsorted(self._positives, keys).clamp_max_(len(self._positives) - 1)
            doubtful = doubtful[self._positives[place] == keys]
            if not len(doubtful):
                break
            items[doubtful] = self._draw(len(doubtful))
        return items.view(-1, count).to(users.device)

    def _draw(self, count: int) -> Tensor:
        return torch.randint(1, self.n_items, (count,), generator=self._generator)
