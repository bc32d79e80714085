"""RecBole's collector without its users × items matrix of hits."""

from __future__ import annotations

from typing import Any

import torch
from recbole.evaluator import Collector
from torch import Tensor


class LeanCollector(Collector):
    """Collects the same ``rec.topk`` as RecBole's, from the lists and the positives alone.

    RecBole marks each positive in a matrix as large as the scores and sums it; with large blocks of users that
    takes as long as the scores themselves.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._topk: list[Tensor] = []  # RecBole joins the whole at each batch
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
        others = ("rec.items", "rec.meanrank", "rec.score", "data.label")
        if any(self.register.need(name) for name in others) or not self.register.need("rec.topk"):
            super().eval_batch_collect(scores_tensor, interaction, positive_u, positive_i)
            return
        n_users, n_items = scores_tensor.shape
        device = scores_tensor.device
        listed = scores_tensor.topk(max(self.topk), dim=-1).indices
        listed += torch.arange(n_users, device=device).unsqueeze(1) * n_items
        positives = (positive_u.to(device) * n_items + positive_i.to(device)).sort().values
        place = torch.searchsorted(positives, listed).clamp_max_(len(positives) - 1)
        relevant = torch.bincount(positive_u.to(device), minlength=n_users).unsqueeze(1)
        self._topk.append(torch.cat([(positives[place] == listed).long(), relevant], dim=1))

    def get_data_struct(self) -> Any:
        """What was collected since the last call; ``hits`` keeps its ``rec.topk``, (n_users, max(topk) + 1)."""
        if self._topk:
            self.data_struct.set("rec.topk", torch.cat(self._topk))
            self._topk.clear()
        struct = super().get_data_struct()
        self.hits = struct._data_dict.get("rec.topk")
        return struct
