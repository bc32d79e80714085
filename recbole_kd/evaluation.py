"""What a ranking costs."""

from __future__ import annotations

import time
from itertools import islice
from statistics import median
from typing import Any

import torch
from recbole.model.abstract_recommender import AbstractRecommender


@torch.no_grad()
def ranking_seconds(model: AbstractRecommender, loader: Any, k: int = 50, repeats: int = 5) -> float:
    """Seconds to turn a loaded model into top-``k`` lists for the loader's first batch of users.

    Everything between a checkpoint and a list is counted: the model's propagation and feature layers, the scores
    of all items and the selection. Median of ``repeats``; nan for a model that cannot score all items at once.
    """
    first = next(iter(islice(loader, 1)), None) if loader is not None else None
    if first is None or len(first) != 4:
        return float("nan")
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
            return float("nan")
        scores.topk(min(k, scores.shape[1])).values.sum().item()
        seconds.append(time.perf_counter() - start)
    return float(median(seconds))
