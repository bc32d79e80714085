"""Which of some items are in a list, and where they stand in a ranking."""

from __future__ import annotations

import torch
from torch import Tensor


def contains(rows: Tensor, queries: Tensor) -> Tensor:
    """Whether each of ``queries`` (B, q) is among ``rows`` (B, r) of the same row; bool (B, q)."""
    ordered = rows.sort(dim=1).values
    place = torch.searchsorted(ordered, queries.contiguous()).clamp_max_(rows.shape[1] - 1)
    return ordered.gather(1, place) == queries


def ranks_of(scores: Tensor, items: Tensor) -> Tensor:
    """The ranks of ``items`` (B, k), 1 being the best; int64."""
    ascending = scores.sort(dim=1).values
    return scores.shape[1] - torch.searchsorted(ascending, scores.gather(1, items), right=True) + 1
