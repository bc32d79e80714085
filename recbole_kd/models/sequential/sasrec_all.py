"""SASRec (Kang and McAuley, ICDM 2018) that learns from all positions of a history at once, as HSTU does."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, Dataset
from recbole_kd.foundation.settings import Count
from recbole_kd.models.sequential.base import AllPositions, AllPositionsSettings


class SASRecAllSettings(AllPositionsSettings):
    """Hyperparameters of SASRecAll; ``properties/model/SASRecAll.yaml`` explains each."""

    inner_size: Count


class Block(nn.Module):
    """``X' = X + Attention(LN(X), X, X)``, then ``X'' = LN(X') + FFN(LN(X'))``, as the authors' program has it."""

    def __init__(self, settings: SASRecAllSettings) -> None:
        super().__init__()
        size = settings.embedding_size
        self.n_heads, self.p = settings.n_heads, settings.dropout
        self.before, self.after = nn.LayerNorm(size, eps=1e-8), nn.LayerNorm(size, eps=1e-8)
        self.queries, self.pairs, self.joined = nn.Linear(size, size), nn.Linear(size, 2 * size), nn.Linear(size, size)
        self.inner, self.outer = nn.Linear(size, settings.inner_size), nn.Linear(settings.inner_size, size)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, states: Tensor) -> Tensor:
        """States (B, L, d) to states; a position attends to itself and those before it."""
        normed = self.before(states)
        parts = [self.queries(normed), *self.pairs(states).chunk(2, dim=-1)]
        asked, known, told = (part.unflatten(2, (self.n_heads, -1)).transpose(1, 2) for part in parts)
        p = self.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(asked, known, told, dropout_p=p, is_causal=True)
        states = self.after(normed + self.joined(mixed.transpose(1, 2).flatten(2)))
        found: Tensor = states + self.dropout(self.outer(self.dropout(F.relu(self.inner(states)))))
        return found


class SASRecAll(AllPositions):
    """The fair baseline of HSTU: the same batches, input, loss and score, softmax attention and a feed-forward layer.

    RecBole's own SASRec learns one position a row, of histories copied out (``--model=SASRec``).
    """

    settings_class = SASRecAllSettings
    settings: SASRecAllSettings

    def __init__(self, config: Config, dataset: Dataset) -> None:
        super().__init__(config, dataset)
        self.blocks = nn.ModuleList(Block(self.settings) for _ in range(self.settings.n_layers))
        self.last = nn.LayerNorm(self.settings.embedding_size, eps=1e-8)

    def encode(self, items: Tensor, times: Tensor | None) -> Tensor:
        """The state after each position, (B, L, d), from the items (B, L) up to it; times are not read."""
        there = (items != 0).unsqueeze(2)
        states = self.embedded(items)
        for block in self.blocks:
            states = block(states) * there
        found: Tensor = self.last(states)
        return found


MODEL = SASRecAll
