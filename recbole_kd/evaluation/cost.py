"""What a ranking costs: values read, and seconds."""

from __future__ import annotations

import time
from itertools import islice
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from recbole_kd.bridge.kept_embeddings import forget_embeddings, other_values
from recbole_kd.bridge.recbole import FullSortEvalDataLoader, GeneralRecommender
from recbole_kd.scoring.model_scores import ModelScores


def values_read(model: Any) -> int:
    """How many numbers of a checkpoint a ranking reads.

    Parameters, and what EASE, ItemKNN and Pop keep in their place; not the embeddings that graph models make anew.
    """
    if hasattr(model, "inference_parameters"):
        return int(model.inference_parameters())
    others = other_values(model).values()
    return int(sum(parameter.numel() for parameter in model.parameters())) + sum(map(_count, others))


def _count(values: Any) -> int:
    if isinstance(values, Tensor):
        return values.numel()
    return int(values.nnz) if sp.issparse(values) else int(np.size(values))


@torch.no_grad()
def ranking_seconds(model: GeneralRecommender, loader: Any, k: int = 50, repeats: int = 5) -> float | None:
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
        forget_embeddings(model)
        start = time.perf_counter()
        try:
            scores = model.full_sort_predict(users).view(len(users), -1)
        except NotImplementedError:
            return None
        scores.topk(min(k, scores.shape[1])).values.sum().item()
        seconds.append(time.perf_counter() - start)
    return float(median(seconds))


@torch.no_grad()
def user_milliseconds(scores: ModelScores, batch: int, k: int = 50, seconds: float = 1.0) -> float:
    """Milliseconds a user for a top-``k`` list of a model that is served, ``batch`` users being ranked at once.

    Counted are the scores of all items, the selection, and the way of the lists to the CPU. Not counted is what a
    server does once: loading, propagation, feature layers; nor leaving out a user's items, equally dear for all models.
    A model whose scores are no dot products of embeddings is asked for each list anew, with what it keeps itself, and a
    sequential one encodes each user's history.

    Args:
        scores: of a model in evaluation mode.
        batch: users at a time, drawn at random with a fixed seed.
        k: length of the lists.
        seconds: how long to repeat; the median counts. At least one batch is ranked, after one that warms up.
    """
    scores = scores.computed_once() if scores.tabled else scores
    random = torch.Generator().manual_seed(0)

    def ranked() -> float:
        users = torch.randint(1, scores.n_users, (batch,), generator=random).to(scores.device)
        start = time.perf_counter()
        found = scores.score_all(users)
        found.topk(min(k, found.shape[1])).indices.cpu()
        return time.perf_counter() - start

    ranked()
    taken = [ranked()]
    while sum(taken) < seconds:
        taken.append(ranked())
    return 1e3 * float(median(taken)) / batch
