"""BM3: users, items and modalities predict each other's dropped-out representations, without negative items."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from recbole.model.init import xavier_uniform_initialization
from torch import Tensor, nn

from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.distill.losses import scaled_cosine_error
from recbole_kd.graph import bipartite_graph, light_gcn
from recbole_kd.model.multimodal import Batch, MultiModalRecommender
from recbole_kd.settings import Count, CountOrZero, NonNegative, Probability, Settings


class BM3Settings(Settings):
    """Hyperparameters of :class:`BM3`; ``properties/model/BM3.yaml`` explains each."""

    embedding_size: Count
    n_layers: CountOrZero
    dropout: Probability
    modality_loss_weight: NonNegative
    reg_weight: NonNegative


class BM3(MultiModalRecommender):
    """BM3 (Zhou et al., WWW 2023): a score is the product of what one predictor makes of the user and the item.

    Features stay as they are (eq. 1) and the L2 is squared; the authors' program trains them, and takes the norm.
    """

    settings_class = BM3Settings

    def __init__(self, config: Any, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        settings = self.settings
        self.user_embedding = nn.Embedding(self.n_users, settings.embedding_size)
        self.item_embedding = nn.Embedding(self.n_items, settings.embedding_size)
        self.projections = self.make_projections(settings.embedding_size)
        self.predictor = nn.Linear(settings.embedding_size, settings.embedding_size)
        self.dropout = nn.Dropout(settings.dropout)
        self.graph = bipartite_graph(self.interactions).to(self.device)
        self.apply(xavier_uniform_initialization)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Final embeddings: the predictor's, (n_users, d) and (n_items, d)."""
        users, items = self._online()
        return self.predictor(users), self.predictor(items)

    def _online(self) -> tuple[Tensor, Tensor]:
        """LightGCN's users and items, the latter with their ID embedding added (eq. 3)."""
        ids = self.item_embedding.weight
        users, items = light_gcn(self.graph, self.user_embedding.weight, ids, self.settings.n_layers)
        return users, items + ids

    def loss(self, batch: Batch) -> Tensor:
        """``L_rec + w Σ_m (L_align + L_mask) + λ L2`` (the paper's contrastive loss); negatives are not used.

        A target is a representation without its gradient, after dropout. User and item predict each other's
        (L_rec), a modality predicts the item's (L_align) and its own (L_mask).
        """
        users, items = self._online()
        user, item = F.embedding(batch.user, users), F.embedding(batch.positive, items)
        user_target, item_target = self.dropout(user.detach()), self.dropout(item.detach())
        loss = _error(self.predictor(user), item_target) + _error(self.predictor(item), user_target)
        for name in self.modalities:
            modal = self.projections[name](F.embedding(batch.positive, self.features(name)))
            predicted = self.predictor(modal)
            errors = _error(predicted, item_target) + _error(predicted, self.dropout(modal.detach()))
            loss = loss + self.settings.modality_loss_weight * errors
        return loss + self.settings.reg_weight * (user.pow(2) + item.pow(2)).sum(dim=1).mean()


def _error(predicted: Tensor, target: Tensor) -> Tensor:
    """``mean 1 − cos`` of the rows of two (B, d)."""
    return scaled_cosine_error(predicted, target, gamma=1)
