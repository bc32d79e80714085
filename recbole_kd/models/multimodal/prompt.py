"""PromptMM's soft prompt: a small trainable view of what all modalities say about an item, and of a user's items."""

from __future__ import annotations

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
    squares = ((prompt @ (gram @ gram.T)) * prompt).sum(dim=1, keepdim=True)
    return (prompt @ (gram @ weight.T)) / squares.clamp_min(1e-24).sqrt()
