"""VBPR: matrix factorisation with factors and a bias that are read off the features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.settings import Count, NonNegative, Settings
from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.ops.losses import Batch, bpr, squared_norm


class VBPRSettings(Settings):
    """Hyperparameters of :class:`VBPR`; ``properties/model/VBPR.yaml`` explains each."""

    embedding_size: Count
    reg_weight: NonNegative


class VBPR(MultiModalRecommender[VBPRSettings]):
    """VBPR (He and McAuley, AAAI 2016): ``s(u,i) = β_i + γ_u·γ_i + θ_u·(E f_i) + β'·f_i`` (eq. 4).

    ``f_i`` are the features of all modalities side by side. The global offset and the user's bias of eq. 4 change no
    ranking and are left out.
    """

    settings_class = VBPRSettings

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        size = self.settings.embedding_size
        self.user_embedding = nn.Embedding(self.n_users, 2 * size)  # γ_u and θ_u
        self.item_embedding = nn.Embedding(self.n_items, size)
        self.item_bias = nn.Embedding(self.n_items, 1)
        width = sum(self.features(name).shape[1] for name in self.modalities)
        self.projection = nn.Linear(width, size, bias=False)
        self.feature_bias = nn.Linear(width, 1, bias=False)
        self.apply(xavier_uniform_initialization)
        nn.init.zeros_(self.item_bias.weight)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Users (n_users, 2d + 1) and items (n_items, 2d + 1); the last column carries the biases."""
        features = torch.cat([self.features(name) for name in self.modalities], dim=1)
        bias = self.item_bias.weight + self.feature_bias(features)
        items = torch.cat([self.item_embedding.weight, self.projection(features), bias], dim=1)
        return F.pad(self.user_embedding.weight, (0, 1), value=1.0), items

    def loss(self, batch: Batch) -> Tensor:
        """BPR + λ L2."""
        users, items = self.forward()
        return bpr(users, items, batch) + self.settings.reg_weight * squared_norm(users, items, batch)


MODEL = VBPR
