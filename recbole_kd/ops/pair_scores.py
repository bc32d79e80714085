"""Dot products of given pairs of rows: for a loss, with cheap gradients, or to be read, the same bits whoever asks."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from recbole_kd.ops.row_gradients import gradient_of_rows, wants_rows

_NUMBERS_AT_ONCE = {"cpu": 2**18, "cuda": 2**24}  # on a CPU as much as its cache holds


class _DotScores(torch.autograd.Function):
    """Gathering many rows is cheap; adding up their gradients row by row is not, and a sparse product does it."""

    @staticmethod
    def forward(ctx: Any, of_users: Tensor, of_items: Tensor, users: Tensor, items: Tensor) -> Tensor:
        ctx.save_for_backward(of_users, of_items, users, items)
        ctx.rows = wants_rows(of_users), wants_rows(of_items)
        return _products(of_users[users], of_items, items)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        of_users, of_items, users, items = ctx.saved_tensors
        gradient, rows = gradients[0].contiguous(), of_users[users]
        sums = F.embedding_bag(items, of_items, per_sample_weights=gradient, mode="sum")
        to_users = gradient_of_rows(of_users.shape, [(users, sums)], ctx.rows[0])
        if rows.device.type != "cpu":
            outer = gradient.unsqueeze(2) * rows.unsqueeze(1)
            read = [(items.flatten(), outer.flatten(0, 1))]
            return to_users, gradient_of_rows(of_items.shape, read, ctx.rows[1]), None, None
        if ctx.rows[1]:
            ids, places = items.unique(return_inverse=True)
            read = [(ids, _summed(gradient, places, rows, len(ids)))]
            return to_users, gradient_of_rows(of_items.shape, read, rows_alone=True), None, None
        return to_users, _summed(gradient, items, rows, len(of_items)), None, None


def _summed(weights: Tensor, items: Tensor, rows: Tensor, n_items: int) -> Tensor:
    """For each of ``n_items`` the sum of ``rows`` (B, d), by the ``weights`` (B, n) that they give ``items`` (B, n)."""
    starts = np.arange(0, items.numel() + 1, items.shape[1])
    shape = (len(items), n_items)
    matrix = sp.csr_array((weights.flatten().numpy(), items.flatten().numpy(), starts), shape=shape)
    return torch.from_numpy(matrix.T @ rows.numpy())


def _products(rows: Tensor, of_items: Tensor, items: Tensor) -> Tensor:
    """Dot products (B, n) of ``rows`` (B, d) with the rows ``items`` (B, n).

    On a CPU a sampled product reads each row where it lies: a quarter of the time of gathering the rows first. Each
    product has the same bits whatever else is asked for at the same time.
    """
    if rows.device.type != "cpu":
        return torch.bmm(F.embedding(items, of_items), rows.unsqueeze(2)).squeeze(2)
    if items.shape[1] > len(of_items):  # a sparse matrix of more entries than places is refused
        return torch.cat([_products(rows, of_items, part) for part in items.split(len(of_items), dim=1)], dim=1)
    _warned_of_beta()
    starts = torch.arange(len(items) + 1) * items.shape[1]
    shape, blank = (len(items), len(of_items)), rows.new_zeros(1).expand(items.numel())
    wanted = torch.sparse_csr_tensor(starts, items.flatten(), blank, shape, check_invariants=False)
    found: Tensor = torch.sparse.sampled_addmm(wanted, rows, of_items.T, beta=0.0)
    return found.values().view(items.shape)


@lru_cache(maxsize=1)
def _warned_of_beta() -> None:
    """Hear PyTorch's one warning that sparse matrices may change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.sparse_csr_tensor(torch.tensor([0, 0]), torch.tensor([], dtype=torch.int64), torch.tensor([]), (1, 1))


def dot_scores(of_users: Tensor, of_items: Tensor, users: Tensor, items: Tensor) -> Tensor:
    """Dot products (B, n) of the rows ``users`` (B,) with the rows ``items`` (B, n), differentiable in both."""
    found: Tensor = _DotScores.apply(of_users, of_items, users, items)  # type: ignore[no-untyped-call]
    return found


def pair_scores(of_users: Tensor, of_items: Tensor, users: Tensor, items: Tensor) -> Tensor:
    """Dot products (B, n) float32 of the rows ``users`` (B,) with the rows ``items`` (B, n).

    On a CPU a score has the same bits whatever else is asked for at the same time.
    """
    if items.device.type == "cpu" and of_users.dtype == of_items.dtype == torch.float32:
        return _products(F.embedding(users, of_users), of_items, items)
    scores = torch.empty(items.shape, device=items.device)
    numbers = _NUMBERS_AT_ONCE.get(items.device.type, 2**24)
    step = max(numbers // max(items.shape[1] * of_items.shape[1], 1), 1)
    for start in range(0, len(users), step):
        rows = slice(start, start + step)
        products = F.embedding(items[rows], of_items).float()  # a copy in either case
        scores[rows] = products.mul_(F.embedding(users[rows], of_users).float().unsqueeze(1)).sum(2)
    return scores
