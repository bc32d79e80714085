"""RecBole's collector without its users × items matrix of hits, and with what it fails on."""

from __future__ import annotations

from typing import Any

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
import torch
from recbole.evaluator import Collector
from torch import Tensor

_OF_SCORES = ("rec.meanrank", "rec.score", "data.label")


class LeanCollector(Collector):
    """Collects the same ``rec.topk`` and ``rec.items`` as RecBole's, from the lists and the positives alone.

    RecBole marks each positive in a matrix as large as the scores and sums it; with large blocks of users that
    takes as long as the scores themselves.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._hits: list[Tensor] = []  # RecBole joins the whole at each batch
        self._items: list[Tensor] = []
        self.hits: Tensor | None = None

    def eval_batch_collect(
        self, scores_tensor: Tensor, interaction: Any, positive_u: Tensor, positive_i: Tensor
    ) -> None:
        """Add a batch of scores, (n_users, n_items); a metric that needs more than top-k lists is RecBole's affair.

        Args:
            scores_tensor: scores of all items.
            interaction: the batch.
            positive_u: row of each positive, ascending.
            positive_i: item of each positive, none twice in a row.
        """
        if any(self.register.need(name) for name in _OF_SCORES):
            super().eval_batch_collect(scores_tensor, interaction, positive_u, positive_i)
            return
        items = scores_tensor.topk(max(self.topk), dim=-1).indices
        self._hits.append(_hits(items, positive_u, positive_i, scores_tensor.shape[1]))
        if self.register.need("rec.items"):
            self._items.append(items)

    def get_data_struct(self) -> Any:
        """What was collected since the last call; ``hits`` keeps its ``rec.topk``, (n_users, max(topk) + 1)."""
        self.hits = torch.cat(self._hits).cpu() if self._hits else None
        if self.hits is not None and self.register.need("rec.topk"):
            self.data_struct.set("rec.topk", self.hits)
        if self._items:
            self.data_struct.set("rec.items", torch.cat(self._items))
        self._hits, self._items = [], []
        collected = self.data_struct._data_dict
        of_data = {name: value for name, value in collected.items() if not isinstance(value, Tensor)}
        for name in of_data:  # numbers of items and the like, which RecBole moves to the CPU as if they were tensors
            del collected[name]
        struct = super().get_data_struct()
        for found in (struct, self.data_struct):
            found._data_dict.update(of_data)
        if self.hits is None:
            self.hits = struct._data_dict.get("rec.topk")
        return struct


def _hits(items: Tensor, positive_u: Tensor, positive_i: Tensor, n_items: int) -> Tensor:
    """Which of each user's items (n_users, k) are positives, and the number of positives: (n_users, k + 1)."""
    users = torch.arange(len(items), device=items.device).unsqueeze(1)
    listed = items + users * n_items
    positives = (positive_u.to(items.device) * n_items + positive_i.to(items.device)).sort().values
    place = torch.searchsorted(positives, listed).clamp_max_(len(positives) - 1)
    relevant = torch.bincount(positive_u.to(items.device), minlength=len(items)).unsqueeze(1)
    return torch.cat([(positives[place] == listed).long(), relevant], dim=1)
