"""What our sequential models share: all positions of a history encoded at once, and the softmax over items."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, Dataset, InputType, Interaction, SequentialRecommender
from recbole_kd.foundation.settings import Count, CountOrZero, Positive, Probability, Settings


class AllPositionsSettings(Settings):
    """Hyperparameters that they share."""

    embedding_size: Count
    n_layers: Count
    n_heads: Count
    dropout: Probability
    loss_temperature: Positive
    negatives: CountOrZero
    normalised: bool


class AllPositions(SequentialRecommender):
    """A causal encoder of histories whose every position learns to rank the item that follows.

    The score of an item is ``cos(h, e_i) / τ``, or the dot product where ``normalised`` is off; the item table is the
    input's too. The loss is a softmax cross-entropy over all items, or over the target and ``negatives`` uniform draws
    (sampled softmax, Zhai et al., ICML 2024, section 4.1), of each position alike.

    A subclass encodes.
    """

    input_type = InputType.POINTWISE
    encodes_once: ClassVar[bool] = True  # within a step, and its batches are windows of histories
    settings_class: ClassVar[type[AllPositionsSettings]] = AllPositionsSettings

    def __init__(self, config: Config, dataset: Dataset) -> None:
        super().__init__(config, dataset)
        self.settings = self.settings_class.read(config)
        size = self.settings.embedding_size
        self.times_field = f"{config['TIME_FIELD']}{config['LIST_SUFFIX']}"
        self.item_embedding = nn.Embedding(self.n_items, size, padding_idx=0)
        self.position_embedding = nn.Embedding(self.max_seq_length, size)
        self.dropout = nn.Dropout(self.settings.dropout)
        with torch.no_grad():
            for table in (self.item_embedding, self.position_embedding):
                nn.init.trunc_normal_(table.weight, std=0.02)
            self.item_embedding.weight[0] = 0

    def encode(self, items: Tensor, times: Tensor | None) -> Tensor:
        """The state after each position of histories, (B, L, d), whatever stands after the last item.

        Args:
            items: int64 (B, L), 0 after the end.
            times: float32 (B, L), seconds; None where they are not known.
        """
        raise NotImplementedError

    def forward(self, items: Tensor, times: Tensor | None = None) -> Tensor:
        """As :meth:`encode`; no more is encoded than the longest history of a batch, and the rest is zero."""
        longest = max(int((items != 0).sum(dim=1).max()), 1)
        states = self.encode(items[:, :longest], None if times is None else times[:, :longest])
        return F.pad(states, (0, 0, 0, items.shape[1] - longest))

    def embedded(self, items: Tensor) -> Tensor:
        """Input of the first layer, (B, L, d): ``√d e_i + p``, the padding zero."""
        places = torch.arange(items.shape[1], device=items.device)
        scaled = self.item_embedding(items) * self.settings.embedding_size**0.5
        found: Tensor = self.dropout(scaled + self.position_embedding(places)) * (items != 0).unsqueeze(2)
        return found

    def of_batch(self, batch: Interaction) -> Tensor:
        """States of a batch, (B, L, d), of the length that scores ask for."""
        known = self.times_field in batch
        states: Tensor = self(batch[self.ITEM_SEQ], batch[self.times_field] if known else None)
        return F.normalize(states, dim=-1) / self.settings.loss_temperature if self.settings.normalised else states

    def of_states(self, batch: Interaction) -> Tensor:
        """The last state of each history, (B, d)."""
        states = self.of_batch(batch)
        return states[torch.arange(len(states), device=states.device), batch[self.ITEM_SEQ_LEN] - 1]

    def item_table(self) -> Tensor:
        """What states are multiplied with, (n_items, d)."""
        table = self.item_embedding.weight
        return F.normalize(table, dim=-1) if self.settings.normalised else table

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """The mean over all positions that have a next item."""
        items = interaction[self.ITEM_SEQ]
        targets = items[:, 1:]
        followed = targets != 0
        states = self.of_batch(interaction)[:, :-1][followed]
        return self.next_item_loss(states, targets[followed])

    def next_item_loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the items (n,) that follow states (n, d)."""
        table, count = self.item_table(), self.settings.negatives
        if not count:
            logits = states @ table.T
            logits = logits.index_fill(1, torch.zeros(1, dtype=torch.int64, device=logits.device), -torch.inf)
            return F.cross_entropy(logits, targets)
        drawn = torch.randint(1, self.n_items, (len(targets), count), device=targets.device)
        own = (states * table[targets]).sum(dim=1, keepdim=True)
        others = torch.bmm(table[drawn], states.unsqueeze(2)).squeeze(2)
        others = others.masked_fill(drawn == targets.unsqueeze(1), -torch.inf)
        return F.cross_entropy(torch.cat([own, others], dim=1), torch.zeros_like(targets))

    def predict(self, interaction: Interaction) -> Tensor:
        """Scores of the rows' items, (B,)."""
        return (self.of_states(interaction) * self.item_table()[interaction[self.ITEM_ID]]).sum(dim=1)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items, (B, n_items)."""
        return self.of_states(interaction) @ self.item_table().T
