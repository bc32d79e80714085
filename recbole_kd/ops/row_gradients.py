"""Gradients of a few rows of a matrix: added up in a matrix of zeros, or as the rows alone where a table asks so."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def ask_for_rows(table: nn.Embedding) -> None:
    """Have lookups in ``table``, and what reads its weight in one go, give the gradients of the rows they read."""
    table.sparse = True
    table.weight.gives_rows = True  # type: ignore[attr-defined]


def wants_rows(matrix: Tensor) -> bool:
    """Whether ``matrix`` is the weight of a table that :func:`ask_for_rows` was called for."""
    return getattr(matrix, "gives_rows", False)


def leaf_of(matrix: Tensor) -> Tensor:
    """``matrix`` without its history, to take gradients of, which come as rows alone where its own would."""
    leaf = matrix.detach().requires_grad_()
    leaf.gives_rows = wants_rows(matrix)  # type: ignore[attr-defined]
    return leaf


def gradient_of_rows(shape: torch.Size, parts: Sequence[tuple[Tensor, Tensor]], rows_alone: bool) -> Tensor:
    """The gradient of a matrix of which some rows were read.

    Args:
        shape: (n, d).
        parts: ids (B,) and gradients (B, d) of rows; ids may repeat.
        rows_alone: return a sparse tensor, not coalesced.
    """
    if rows_alone:
        ids, values = (torch.cat(found) for found in zip(*parts, strict=True))
        return torch.sparse_coo_tensor(ids.unsqueeze(0), values, shape, check_invariants=False)
    whole = parts[0][1].new_zeros(shape)
    for ids, values in parts:
        whole.index_add_(0, ids, values)
    return whole
