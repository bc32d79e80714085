"""PromptMM's soft prompt: a small trainable view of what all modalities say about an item, and of a user's items."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def principal_components(features: Tensor, size: int) -> Tensor:
    """Project rows on their first ``size`` principal components; narrower features are padded with zeros.

    Args:
        features: (n, d_m) float32, row 0 the padding, which does not count and comes back as zeros.
        size: columns to return.

    Returns:
        (n, size). The sign of each component is fixed by its largest loading, so that it does not depend on the
        linear-algebra library.
    """
    rows = features[1:] - features[1:].mean(dim=0)
    _, vectors = torch.linalg.eigh((rows.T @ rows).double())  # eigenvalues ascend
    basis = vectors.flip(1)[:, : min(size, features.shape[1])].to(rows.dtype)
    basis = basis * basis.gather(0, basis.abs().argmax(dim=0, keepdim=True)).sign()
    return F.pad(rows @ basis, (0, size - basis.shape[1], 1, 0))


class Prompt(nn.Module):
    """``p_i = P(h_i)`` for items and ``p_u`` from the mean ``h`` of a user's training items.

    ``h_i`` is the mean over modalities of the features' principal components, scaled to mean length 1; it is
    fixed. The parameters here are the only ones of the teacher that stage 2 changes.
    """

    def __init__(self, item_components: Tensor, user_components: Tensor, dropout: float) -> None:
        """Args:
        item_components: ``h_i``, (n_items, d).
        user_components: mean ``h_i`` over each user's training items, (n_users, d).
        dropout: on ``p`` while the teacher trains.
        """
        super().__init__()
        size = item_components.shape[1]
        self.register_buffer("item_components", item_components, persistent=False)
        self.register_buffer("user_components", user_components, persistent=False)
        self.item = nn.Linear(size, size)
        self.user = nn.Linear(size, size)
        self.dropout = nn.Dropout(dropout)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return ``p_u`` (n_users, d) and ``p_i`` (n_items, d)."""
        return self.dropout(self.user(self.user_components)), self.dropout(self.item(self.item_components))


class FrozenReduction(NamedTuple):
    """What stays of one modality's reduction while only the linear map ``M`` (d, d + 1) from ``h`` to ``p`` learns.

    With ``H`` (n_items, d + 1) the components and a column of ones, ``P = H Mᵀ``, so that neither the items nor the
    features are read again: ``Pᵀ X = M (Hᵀ X)``.
    """

    reduced: Tensor
    """``X Wᵀ + b``, (n_items, d)."""
    product: Tensor
    """``Hᵀ X Wᵀ``, (d + 1, d)."""
    gram: Tensor
    """``Hᵀ X Xᵀ H``, (d + 1, d + 1)."""


def freeze_reduction(components: Tensor, features: Tensor, weight: Tensor, reduced: Tensor) -> FrozenReduction:
    """Compute once what :func:`reduce_frozen` reads.

    Args:
        components: ``h``, (n_items, d).
        features: ``X``, (n_items, d_m).
        weight: ``W`` of the reduction, (d, d_m).
        reduced: ``X Wᵀ + b``, (n_items, d).
    """
    seen = F.pad(components, (0, 1), value=1.0).double().T @ features.double()
    product, gram = seen @ weight.double().T, seen @ seen.T
    return FrozenReduction(reduced, product.to(reduced.dtype), gram.to(reduced.dtype))


def reduce_frozen(prompt: Tensor, layer: nn.Linear, frozen: FrozenReduction) -> Tensor:
    """:func:`reduce_modality_prompt` of ``prompt = layer(h)`` (n_items, d), differentiable in prompt and layer."""
    given = torch.cat([layer.weight, layer.bias.unsqueeze(1)], dim=1)
    return _reduced_directions(prompt, given @ frozen.product, given @ frozen.gram @ given.T)


def reduce_modality_prompt(prompt: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    """``normalize(P Pᵀ X) Wᵀ``: the modality prompt ``p^m_i = Σ_j (p_i·p_j) x_j`` (PromptMM, eq. 3), reduced.

    Evaluated right to left, so neither an (n, n) nor a second (n, d_m) matrix is made: with ``G = Pᵀ X`` the rows
    are ``p_i (G Wᵀ)`` and their lengths before the reduction ``√(p_i G Gᵀ p_iᵀ)``.

    Args:
        prompt: ``P``, (n_items, d).
        features: ``X``, (n_items, d_m).
        weight: ``W`` of the reduction, (d, d_m).

    Returns:
        (n_items, d).
    """
    gram = prompt.T @ features
    return _reduced_directions(prompt, gram @ weight.T, gram @ gram.T)


def _reduced_directions(prompt: Tensor, product: Tensor, gram: Tensor) -> Tensor:
    """``p_i (G Wᵀ)`` over ``√(p_i G Gᵀ p_iᵀ)``, from ``G Wᵀ`` (d, d) and ``G Gᵀ`` (d, d)."""
    squares = ((prompt @ gram) * prompt).sum(dim=1, keepdim=True)
    return (prompt @ product) / squares.clamp_min(1e-24).sqrt()
