"""How far a user's positive is above the negative, for a batch of pairs, with cheap gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from recbole_kd.ops.row_gradients import gradient_of_rows, wants_rows


class _Margins(torch.autograd.Function):
    """Each row is read once, and each gradient added up in one pass; by products of lookups it takes twice that."""

    @staticmethod
    def forward(ctx: Any, of_users: Tensor, of_items: Tensor, *ids: Tensor) -> Tensor:
        user, positive, negative = ids
        mine = F.embedding(user, of_users)
        difference = F.embedding(positive, of_items).sub_(F.embedding(negative, of_items))
        ctx.save_for_backward(*ids, mine, difference)
        ctx.shapes = of_users.shape, of_items.shape
        ctx.rows = wants_rows(of_users), wants_rows(of_items)
        return (mine * difference).sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        user, positive, negative, mine, difference = ctx.saved_tensors
        gradient = gradients[0].unsqueeze(1)
        to_users = gradient_of_rows(ctx.shapes[0], [(user, difference * gradient)], ctx.rows[0])
        towards = mine * gradient
        pairs = [(positive, towards), (negative, -towards)]
        return to_users, gradient_of_rows(ctx.shapes[1], pairs, ctx.rows[1]), None, None, None


def pair_margins(of_users: Tensor, of_items: Tensor, user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """``s(u,i⁺) − s(u,i⁻)`` (B,) of dot products, differentiable in both matrices.

    Args:
        of_users: (n_users, d).
        of_items: (n_items, d).
        user: (B,).
        positive: (B,).
        negative: (B,).
    """
    found: Tensor = _Margins.apply(of_users, of_items, user, positive, negative)  # type: ignore[no-untyped-call]
    return found
