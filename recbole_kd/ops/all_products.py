"""Dot products of some rows with all rows of a matrix."""

from __future__ import annotations

import torch
from torch import Tensor

_AT_ONCE = 4096


def all_products(rows: Tensor, matrix: Tensor) -> Tensor:
    """``rows @ matrix.T``, (B, n), for ``rows`` (B, d) and ``matrix`` (n, d).

    Without gradients a CPU computes some columns after the other: rows of 25,000 products lie so far apart that written
    in one go they take up to twice as long.
    """
    learning = torch.is_grad_enabled() and (rows.requires_grad or matrix.requires_grad)
    if rows.device.type != "cpu" or learning or len(matrix) <= _AT_ONCE:
        return rows @ matrix.T
    found = rows.new_empty(len(rows), len(matrix))
    for columns, part in zip(found.split(_AT_ONCE, dim=1), matrix.split(_AT_ONCE), strict=True):
        torch.mm(rows, part.T, out=columns)
    return found
