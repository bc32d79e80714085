"""BM3: users, items and modalities predict each other's dropped-out representations, without negative items."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.settings import NonNegative, Probability
from recbole_kd.models.multimodal.on_lightgcn import OnLightGCN, OnLightGCNSettings
from recbole_kd.ops.losses import Batch, scaled_cosine_error


class BM3Settings(OnLightGCNSettings):
    """Hyperparameters of :class:`BM3`; ``properties/model/BM3.yaml`` explains each."""

    dropout: Probability
    modality_loss_weight: NonNegative
    reg_weight: NonNegative


class BM3(OnLightGCN[BM3Settings]):
    """BM3 (Zhou et al., WWW 2023): a score is the product of what one predictor makes of the user and the item.

    Features stay as they are (eq. 1) and the L2 is squared; the authors' program trains them, and takes the norm.
    """

    settings_class = BM3Settings

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        settings = self.settings
        self.predictor = nn.Linear(settings.embedding_size, settings.embedding_size)
        self.dropout = nn.Dropout(settings.dropout)
        self.apply(xavier_uniform_initialization)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Final embeddings: the predictor's, (n_users, d) and (n_items, d)."""
        users, items = self._online()
        return self.predictor(users), self.predictor(items)

    def _online(self) -> tuple[Tensor, Tensor]:
        """LightGCN's users and items, the latter with their ID embedding added (eq. 3)."""
        users, items = self.light_gcn()
        return users, items + self.item_embedding.weight

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


MODEL = BM3
