"""The best columns of each row, found on a CPU without a heap over all of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recbole_kd.ops.stable_topk import largest, sort_keys

_CHUNK_DOUBLINGS = 3  # the largest of 8 columns stand for them
_CANDIDATES = 4  # at most, of each wanted column; a row of more, which equal scores make, is sorted plainly


def best_columns(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` largest scores of each row and their columns, both (B, k), largest first.

    Equal scores go by the lower column. The k-th largest of the chunks' largest is at most the k-th largest score, and
    few scores reach it: those alone are sorted.

    Args:
        scores: float32 (B, n).
        k: at most n.
    """
    n_rows, n_columns = scores.shape
    width = n_columns >> _CHUNK_DOUBLINGS
    if scores.device.type != "cpu" or width < 2 * k or not n_rows:
        return _plainly(scores, k)
    least = _least(scores, width << _CHUNK_DOUBLINGS, k)
    flat = np.flatnonzero(scores.numpy() >= least)
    row, column = np.divmod(flat, n_columns)
    counts = np.bincount(row, minlength=n_rows)
    odd = (counts < k) | (counts > _CANDIDATES * k)
    if odd.any():
        usual = ~odd[row]
        flat, row, column, counts = flat[usual], row[usual], column[usual], np.where(odd, 0, counts)
    place = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = torch.full((n_rows, max(int(counts.max()), k)), -torch.inf)
    columns = torch.zeros(found.shape, dtype=torch.int64)
    found.numpy()[row, place] = scores.numpy().ravel()[flat]
    columns.numpy()[row, place] = column
    order = found.sort(dim=1, descending=True, stable=True)
    best, columns = order.values[:, :k], columns.gather(1, order.indices[:, :k])
    if odd.any():
        rows = torch.from_numpy(np.flatnonzero(odd))
        best[rows], columns[rows] = _plainly(scores[rows], k)
    return best, columns


def _least(scores: Tensor, n_columns: int, k: int) -> np.ndarray:
    """The k-th largest of the largest scores of the chunks, (B, 1), infinity where that is none.

    A last chunk that is not whole is left out.
    """
    part = scores[:, :n_columns]
    for _ in range(_CHUNK_DOUBLINGS):
        half = part.shape[1] // 2
        part = torch.maximum(part[:, :half], part[:, half:])
    place = part.shape[1] - k
    least = np.partition(part.numpy(), place, axis=1)[:, place, None]
    return np.where(least == -np.inf, np.inf, least)


def _plainly(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    columns = largest(sort_keys(scores, torch.arange(scores.shape[1], device=scores.device)), k)
    return scores.gather(1, columns), columns
