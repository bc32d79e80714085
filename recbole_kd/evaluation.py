"""Metrics user by user, paired tests on them, and what a ranking costs."""

from __future__ import annotations

import time
from itertools import islice
from statistics import median
from typing import Any

import numpy as np
import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.model.abstract_recommender import AbstractRecommender
from scipy import stats
from torch import Tensor


def per_user_metrics(hits: Tensor, k: int) -> dict[str, Tensor]:
    """Recall and NDCG of each user, whose means are what RecBole's evaluator prints.

    Args:
        hits: (n_users, K + 1), the collector's ``rec.topk``: which of a user's K best ranked items are relevant (0 or
            1), and the number of relevant items, at least 1.
        k: length of the list, at most K. The ideal list of NDCG has min(relevant items, k) hits.

    Returns:
        ``{"recall@k": float32 (n_users,), "ndcg@k": float32 (n_users,)}``.
    """
    discounts = 1 / torch.log2(torch.arange(2, k + 2, device=hits.device))
    listed, count = hits[:, :k].float(), hits[:, -1]
    ideal = discounts.cumsum(0)[count.clamp_max(k) - 1]
    return {f"recall@{k}": listed.sum(dim=1) / count, f"ndcg@{k}": (listed @ discounts) / ideal}


def paired_test(values: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Compare per-user values of two models, the user being the unit.

    Args:
        values: (n_users,), or (n_seeds, n_users), whose mean over seeds is compared.
        reference: likewise, the same users in the same order.

    Returns:
        ``{"difference", "t_p", "wilcoxon_p"}``: mean difference and two-sided p values.
    """
    ours, theirs = (np.atleast_2d(np.asarray(one, np.float64)).mean(axis=0) for one in (values, reference))
    difference = ours - theirs
    if not difference.any():
        return {"difference": 0.0, "t_p": 1.0, "wilcoxon_p": 1.0}
    return {
        "difference": float(difference.mean()),
        "t_p": float(stats.ttest_1samp(difference, 0.0).pvalue),
        "wilcoxon_p": float(stats.wilcoxon(difference).pvalue),
    }


@torch.no_grad()
def ranking_seconds(model: AbstractRecommender, loader: Any, k: int = 50, repeats: int = 5) -> float | None:
    """Seconds to turn a loaded model into top-``k`` lists for the loader's first batch of users.

    Everything between a checkpoint and a list is counted: the model's propagation and feature layers, the scores
    of all items and the selection. Median of ``repeats``; None for a model that cannot score all items at once.
    """
    first = next(iter(islice(loader, 1)), None) if isinstance(loader, FullSortEvalDataLoader) else None
    if first is None:
        return None
    users = first[0].to(model.device)
    model.eval()
    seconds = []
    for _ in range(repeats):
        for name in vars(model):  # RecBole's models keep their embeddings from one scoring to the next
            if name.startswith("restore_"):
                setattr(model, name, None)
        start = time.perf_counter()
        try:
            scores = model.full_sort_predict(users).view(len(users), -1)
        except NotImplementedError:
            return None
        scores.topk(min(k, scores.shape[1])).values.sum().item()
        seconds.append(time.perf_counter() - start)
    return float(median(seconds))
