"""Metrics user by user, paired tests on them, and what a ranking costs."""

from __future__ import annotations

import time
from itertools import islice
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.model.abstract_recommender import AbstractRecommender
from scipy import stats
from torch import Tensor

from recbole_kd.scorer import Scorer, computed_once


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


def values_read(model: Any) -> int:
    """How many numbers of a checkpoint a ranking reads.

    Parameters, and what EASE, ItemKNN and Pop keep in their place; not the embeddings that graph models make anew.
    """
    if hasattr(model, "inference_parameters"):
        return model.inference_parameters()
    kept = (model.other_parameter() or {}).items()
    others = [value for name, value in kept if not name.startswith("restore_")]
    return sum(parameter.numel() for parameter in model.parameters()) + sum(map(_count, others))


def _count(values: Any) -> int:
    if isinstance(values, Tensor):
        return values.numel()
    return int(values.nnz) if sp.issparse(values) else int(np.size(values))


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


@torch.no_grad()
def user_milliseconds(scorer: Scorer, batch: int, k: int = 50, seconds: float = 1.0) -> float:
    """Milliseconds a user for a top-``k`` list of a model that is served, ``batch`` users being ranked at once.

    Counted are the scores of all items, the selection, and the way of the lists to the CPU. Not counted is what a
    server does once: loading, propagation, feature layers; nor leaving out a user's items, equally dear for all models.
    A model whose scores are no dot products of embeddings is asked for each list anew, with what it keeps itself.

    Args:
        scorer: of a model in evaluation mode.
        batch: users at a time, drawn at random with a fixed seed.
        k: length of the lists.
        seconds: how long to repeat; the median counts. At least one batch is ranked, after one that warms up.
    """
    scorer, model = computed_once(scorer), scorer.model
    random = torch.Generator().manual_seed(0)

    def ranked() -> float:
        users = torch.randint(1, model.n_users, (batch,), generator=random).to(model.device)
        start = time.perf_counter()
        scores = scorer.score_all(users)
        scores.topk(min(k, scores.shape[1])).indices.cpu()
        return time.perf_counter() - start

    ranked()
    taken = [ranked()]
    while sum(taken) < seconds:
        taken.append(ranked())
    return 1e3 * float(median(taken)) / batch
