"""HSTU: pointwise attention without a softmax, gated by the input (Zhai et al., ICML 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, Dataset
from recbole_kd.foundation.settings import Count
from recbole_kd.models.sequential.base import AllPositions, AllPositionsSettings

_BUCKETS = 129
_BASE = 0.301  # of the logarithm that puts times into buckets


class HSTUSettings(AllPositionsSettings):
    """Hyperparameters of HSTU; ``properties/model/HSTU.yaml`` explains each."""

    attention_size: Count
    value_size: Count
    relative_bias: Literal["none", "position", "time"]
    norm: Literal["padded", "length"]


class RelativeBias(nn.Module):
    """``R[i, j] = p_{j−i} + t_{b(τ_{i+1} − τ_j)}``, shared by the heads; ``b(x) = ⌊ln max(|x|, 1) / .301⌋ ≤ 128``.

    The state at i predicts what follows, so that the time of the next event is its own; see :func:`following`.
    """

    def __init__(self, length: int, with_times: bool) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.empty(2 * length - 1).normal_(std=0.02))
        self.time = nn.Parameter(torch.empty(_BUCKETS).normal_(std=0.02)) if with_times else None

    def forward(self, length: int, times: Tensor | None, next_times: Tensor | None) -> Tensor:
        """(L, L), or (B, L, L) of times (B, L) of events and of those after them."""
        places = torch.arange(length, device=self.position.device)
        middle = len(self.position) // 2
        bias = self.position[places.unsqueeze(0) - places.unsqueeze(1) + middle]
        if self.time is None or times is None or next_times is None:
            return bias
        return bias + self.time[time_buckets(next_times.unsqueeze(2) - times.unsqueeze(1))]


def following(items: Tensor, times: Tensor | None) -> Tensor | None:
    """The time of the event after each, (B, L); its own where none is known, which is how a list is asked for."""
    if times is None:
        return None
    own = times[:, :-1]
    return torch.cat([torch.where(items[:, 1:] != 0, times[:, 1:], own), times[:, -1:]], dim=1)


def time_buckets(differences: Tensor) -> Tensor:
    """``clamp(⌊ln max(|x|, 1) / .301⌋, 0, 128)`` of seconds, int64 of the same shape."""
    return (differences.abs().clamp(min=1).log() / _BASE).long().clamp(0, _BUCKETS - 1)


class Block(nn.Module):
    """``X' = X + Dropout(U ⊙ LN(A V)) W2 + b2`` with ``A = SiLU(Q Kᵀ + R) / n ⊙ M`` of each head."""

    def __init__(self, settings: HSTUSettings) -> None:
        super().__init__()
        self.settings = settings
        size, heads = settings.embedding_size, settings.n_heads
        self.sizes = [heads * settings.value_size] * 2 + [heads * settings.attention_size] * 2
        self.inner = nn.Parameter(torch.empty(size, sum(self.sizes)).normal_(std=0.02))
        self.outer = nn.Linear(heads * settings.value_size, size)
        nn.init.xavier_uniform_(self.outer.weight)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, states: Tensor, bias: Tensor | None, weights: Tensor) -> Tensor:
        """States (B, L, d) to states.

        Args:
            states: of the layer before.
            bias: R, (L, L) or (B, L, L); None without.
            weights: ``M / n``, (B, 1, L, L) or (L, L): 0 where a position must not look.
        """
        normed = F.layer_norm(states, states.shape[-1:])
        gate, values, queries, keys = F.silu(normed @ self.inner).split(self.sizes, dim=-1)
        heads = [part.unflatten(2, (self.settings.n_heads, -1)).transpose(1, 2) for part in (queries, keys, values)]
        products = heads[0] @ heads[1].transpose(2, 3)
        if bias is not None:
            products = products + (bias if bias.dim() == 2 else bias.unsqueeze(1))
        mixed = (F.silu(products) * weights) @ heads[2]
        joined = mixed.transpose(1, 2).flatten(2)
        gated: Tensor = gate * F.layer_norm(joined, joined.shape[-1:])
        found: Tensor = states + self.outer(self.dropout(gated))
        return found


class HSTU(AllPositions):
    """Hierarchical sequential transduction units.

    Attention is not normalised over a history: ``n`` is its padded length (``norm: padded``, the paper's program), or
    the number of events up to a position (``length``), which a longer padding does not change.
    """

    settings_class = HSTUSettings
    settings: HSTUSettings

    def __init__(self, config: Config, dataset: Dataset) -> None:
        super().__init__(config, dataset)
        kind = self.settings.relative_bias
        self.bias = None if kind == "none" else RelativeBias(self.max_seq_length, with_times=kind == "time")
        self.blocks = nn.ModuleList(Block(self.settings) for _ in range(self.settings.n_layers))

    def encode(self, items: Tensor, times: Tensor | None) -> Tensor:
        """The state after each position, (B, L, d), from the items (B, L) up to it."""
        length = items.shape[1]
        causal = torch.ones(length, length, device=items.device).tril()
        counts = torch.arange(1, length + 1, device=items.device).unsqueeze(1)
        weights = causal / (self.max_seq_length if self.settings.norm == "padded" else counts)
        bias = None if self.bias is None else self.bias(length, times, following(items, times))
        there = (items != 0).unsqueeze(2)
        states = self.embedded(items)
        for block in self.blocks:
            states = block(states, bias, weights) * there
        return states


MODEL = HSTU
