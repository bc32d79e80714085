"""Dot products of given pairs of rows: for a loss, with cheap gradients, or to be read, the same bits whoever asks."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

_NUMBERS_AT_ONCE = {"cpu": 2**18, "cuda": 2**24}  # on a CPU as much as its cache holds


class _DotScores(torch.autograd.Function):
    """Gathering many rows is cheap; adding up their gradients row by row is not, and a sparse product does it."""

    @staticmethod
    def forward(ctx: Any, of_users: Tensor, of_items: Tensor, users: Tensor, items: Tensor) -> Tensor:
        rows, columns = of_users[users], F.embedding(items, of_items)
        ctx.save_for_backward(users, items, rows, columns)
        ctx.shapes = of_users.shape, of_items.shape
        return torch.bmm(columns, rows.unsqueeze(2)).squeeze(2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        users, items, rows, columns = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        to_users, to_items = (rows.new_zeros(shape) for shape in ctx.shapes)
        to_users.index_add_(0, users, torch.bmm(gradient.unsqueeze(1), columns).squeeze(1))
        if rows.device.type == "cpu":
            starts = np.arange(0, items.numel() + 1, items.shape[1])
            shape = (len(items), len(to_items))
            weights = sp.csr_array((gradient.flatten().numpy(), items.flatten().numpy(), starts), shape=shape)
            return to_users, torch.from_numpy(weights.T @ rows.numpy()), None, None
        outer = gradient.unsqueeze(2) * rows.unsqueeze(1)
        return to_users, to_items.index_add_(0, items.flatten(), outer.flatten(0, 1)), None, None


def dot_scores(of_users: Tensor, of_items: Tensor, users: Tensor, items: Tensor) -> Tensor:
    """Dot products (B, n) of the rows ``users`` (B,) with the rows ``items`` (B, n), differentiable in both."""
    found: Tensor = _DotScores.apply(of_users, of_items, users, items)  # type: ignore[no-untyped-call]
    return found


def pair_scores(of_users: Tensor, of_items: Tensor, users: Tensor, items: Tensor) -> Tensor:
    """Dot products (B, n) float32 of the rows ``users`` (B,) with the rows ``items`` (B, n).

    On a CPU a score has the same bits whatever else is asked for at the same time.
    """
    scores = torch.empty(items.shape, device=items.device)
    numbers = _NUMBERS_AT_ONCE.get(items.device.type, 2**24)
    step = max(numbers // max(items.shape[1] * of_items.shape[1], 1), 1)
    for start in range(0, len(users), step):
        rows = slice(start, start + step)
        products = F.embedding(items[rows], of_items).float()  # a copy in either case
        scores[rows] = products.mul_(F.embedding(users[rows], of_users).float().unsqueeze(1)).sum(2)
    return scores
