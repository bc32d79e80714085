"""Negative items for list-wise distillation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recbole_kd.bridge.recbole import Dataset
from recbole_kd.bridge.sampling import UsedItems
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
        self._used = UsedItems(users.numpy(), items.numpy(), dataset.user_num, self.n_items)
        self._generator = generator

    def sample(self, users: Tensor, count: int) -> Tensor:
        """Return (B, count) item ids, on the device of ``users``; repeats within a row may occur.

        A user who has interacted with nearly everything may keep a few positives after many tries.
        """
        owner = users.cpu().numpy().repeat(count)
        items = self._draw(len(owner))
        doubtful = self._used.contain(owner, items).nonzero()[0]
        for _ in range(_ROUNDS):
            if not len(doubtful):
                break
            items[doubtful] = self._draw(len(doubtful))
            doubtful = doubtful[self._used.contain(owner[doubtful], items[doubtful])]
        return torch.from_numpy(items).view(-1, count).to(users.device)

    def _draw(self, count: int) -> np.ndarray:
        found: np.ndarray = torch.randint(1, self.n_items, (count,), generator=self._generator).numpy()
        return found
