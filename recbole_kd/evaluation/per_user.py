"""Metrics user by user, from which of a user's best items are relevant."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def per_user_metrics(hits: Tensor, k: int) -> dict[str, Tensor]:
    """Recall, NDCG, precision, hit and MRR of each user, whose means are what RecBole's evaluator prints.

    Args:
        hits: (n_users, K + 1), the collector's ``rec.topk``: which of a user's K best ranked items are relevant (0 or
            1), and the number of relevant items, at least 1.
        k: length of the list, at most K. The ideal list of NDCG has min(relevant items, k) hits.

    Returns:
        ``{"recall@k": float32 (n_users,), "ndcg@k": …, "precision@k": …, "hit@k": …, "mrr@k": …}``.
    """
    discounts = 1 / torch.log2(torch.arange(2, k + 2, device=hits.device))
    listed, count = hits[:, :k].float(), hits[:, -1]
    ideal = discounts.cumsum(0)[count.clamp_max(k) - 1]
    found = listed.sum(dim=1)
    values = {
        "recall": found / count,
        "ndcg": (listed @ discounts) / ideal,
        "precision": found / k,
        "hit": found.clamp_max(1),
        "mrr": (found > 0) / (listed.argmax(dim=1) + 1),  # argmax gives the first of equals
    }
    return {f"{name}@{k}": value for name, value in values.items()}


def packed_hits(hits: Tensor) -> dict[str, Tensor]:
    """The collector's ``rec.topk`` in an eighth of a byte a place, enough for any metric of the lists.

    Args:
        hits: (n_users, K + 1), as for :func:`per_user_metrics`.

    Returns:
        ``{"hits": uint8 (n_users, ⌈K / 8⌉), "relevant": int32 (n_users,)}``; the first place is the highest bit.
    """
    places = hits.cpu().numpy()
    packed = np.packbits(places[:, :-1].astype(bool), axis=1)
    return {"hits": torch.from_numpy(packed), "relevant": torch.from_numpy(places[:, -1].astype(np.int32))}


def unpacked_hits(hits: np.ndarray, relevant: np.ndarray) -> Tensor:
    """What :func:`per_user_metrics` takes, of what :func:`packed_hits` gave; K is then a multiple of 8."""
    places = np.unpackbits(np.asarray(hits), axis=1).astype(np.int64)
    return torch.from_numpy(np.column_stack([places, np.asarray(relevant, np.int64)]))
