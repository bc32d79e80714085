"""Scores that are dot products of two stored matrices."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from recbole_kd.foundation.npy import open_array
from recbole_kd.ops.all_products import all_products
from recbole_kd.ops.pair_scores import pair_scores
from recbole_kd.scoring.scores import Pair


class Factors:
    """Two matrices whose dot products are scores, in the dtype in which they are stored."""

    def __init__(self, users: Tensor, items: Tensor) -> None:
        """Hold (n_users, d) and (n_items, d), float16 or float32."""
        self.users, self.items = users, items

    @classmethod
    def open(cls, folder: Path) -> Factors:
        """Memory-map those of a factorised cache."""
        return cls(*(torch.from_numpy(open_array(folder / f"{name}.npy")) for name in ("users", "items")))

    factorised = True
    tabled = True

    @property
    def n_items(self) -> int:
        """Number of items, the padding included."""
        return len(self.items)

    @property
    def device(self) -> torch.device:
        """Where both lie."""
        return self.items.device

    def to(self, device: torch.device | str) -> Factors:
        """The same on ``device``."""
        return Factors(self.users.to(device), self.items.to(device))

    def embeddings(self) -> Pair:
        """Both as float32."""
        return self.users.float(), self.items.float()

    def encoded(self, states: Tensor) -> Pair:
        """Those of some states (B,), and of all items, as float32."""
        return self.users[states.to(self.device)].float(), self.items.float()

    def score(self, states: Tensor, items: Tensor) -> Tensor:
        """Scores (B, n) of ``items`` (B, n) for ``states`` (B,), on the device of ``states``."""
        return pair_scores(self.users, self.items, states.to(self.device), items.to(self.device)).to(states.device)

    def score_all(self, states: Tensor) -> Tensor:
        """Scores (B, n_items) of every item, on the device of ``states``."""
        return all_products(self.users[states.to(self.device)].float(), self.items.float()).to(states.device)

    def topk(self, states: Tensor, k: int) -> Pair:
        """Not kept here: a cache has lists of its own."""
        raise NotImplementedError

    def computed_once(self) -> Factors:
        """With the items as float32, which a block would else make of them."""
        return Factors(self.users, self.items.float())
