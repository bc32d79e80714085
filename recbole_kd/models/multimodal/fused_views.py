"""The views of MTS²4MM's student after propagation, fused for the nodes that somebody asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_kd.models.multimodal.views import Pair
from recbole_kd.ops.losses import Batch

Fuse = Callable[[dict[str, Tensor]], tuple[Tensor, Tensor | None]]


class BatchViews(NamedTuple):
    """A batch's users (U,) and items (C,), each once, and their rows.

    Attributes:
        users: ids.
        items: ids, of positives and negatives.
        local: the batch, with places in ``users`` and ``items`` for ids.
        user: final, (U, d).
        item: final, (C, d).
        views: each view's own, (U, d) and (C, d).
        modal: fused modalities (U + C, d), users first; None without any.
    """

    users: Tensor
    items: Tensor
    local: Batch
    user: Tensor
    item: Tensor
    views: dict[str, Pair]
    modal: Tensor | None


class Views:
    """Every view's users (n_users, d) and items (n_items, d), and what they give together.

    Fusing all nodes takes longer than propagating them, and a loss reads the batch's alone.
    """

    def __init__(self, views: dict[str, Pair], fuse: Fuse) -> None:
        """Args:
        views: by name.
        fuse: final rows (n, d) and fused modalities of the nodes whose views it gets, (n, d) each.
        """
        self.views = views
        self._fuse = fuse
        self._of: tuple[Batch, BatchViews] | None = None

    @cached_property
    def whole(self) -> Pair:
        """Final users (n_users, d) and items (n_items, d)."""
        users, items = next(iter(self.views.values()))
        final, _ = self._fuse({name: torch.cat(pair) for name, pair in self.views.items()})
        return final[: len(users)], final[-len(items) :]

    @torch.no_grad()
    def modal(self) -> Tensor | None:
        """Fused modalities of all nodes (n_users + n_items, d), users first, without gradients; None without any."""
        return self._fuse({name: torch.cat(pair) for name, pair in self.views.items()})[1]

    def of(self, batch: Batch) -> BatchViews:
        """The rows of a batch; whoever asks for the same batch gets the same tensors."""
        if self._of is None or any(mine is not theirs for mine, theirs in zip(self._of[0], batch, strict=True)):
            self._of = batch, self._rows(batch)
        return self._of[1]

    def _rows(self, batch: Batch) -> BatchViews:
        users, of_user = batch.user.unique(return_inverse=True)
        items, of_item = torch.cat([batch.positive, batch.negative]).unique(return_inverse=True)
        rows = {name: (F.embedding(users, pair[0]), F.embedding(items, pair[1])) for name, pair in self.views.items()}
        final, modal = self._fuse({name: torch.cat(pair) for name, pair in rows.items()})
        positive, negative = of_item.split(len(batch.positive))
        local = Batch(of_user, positive, negative)
        return BatchViews(users, items, local, final[: len(users)], final[len(users) :], rows, modal)
