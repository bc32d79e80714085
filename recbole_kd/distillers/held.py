"""A gradient with respect to a student's embeddings that several steps use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recbole_kd.ops.row_gradients import leaf_of
from recbole_kd.scoring.scores import Pair


class Held(NamedTuple):
    """A loss (a scalar) and its gradients with respect to user and item embeddings, (n_users, d) and (n_items, d)."""

    loss: Tensor
    to_users: Tensor
    to_items: Tensor

    def apply(self, embeddings: Pair) -> Tensor:
        """The loss as it was, which gives ``embeddings`` of the same shapes the gradients as they were."""
        found: Tensor = _Held.apply(*embeddings, *self)  # type: ignore[no-untyped-call]
        return found


def hold(embeddings: Pair, loss: Callable[[Tensor, Tensor], Tensor]) -> Held:
    """Compute ``loss`` of user and item embeddings and its gradients, and nothing of how the embeddings were made."""
    leaves = [leaf_of(part) for part in embeddings]
    with torch.enable_grad():
        value = loss(*leaves)
    return Held(value.detach(), *torch.autograd.grad(value, leaves))


class _Held(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, loss: Tensor, to_users: Tensor, to_items: Tensor) -> Tensor:
        ctx.save_for_backward(to_users, to_items)
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        to_users, to_items = ctx.saved_tensors
        return gradients[0] * to_users, gradients[0] * to_items, None, None, None
