"""MGCN: modalities purified by behaviour, and fused by what they have in common and what each has besides."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Positive, Settings
from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.models.multimodal.views import ID, Encoders, SharedSpecific
from recbole_kd.ops.graph import Graph
from recbole_kd.ops.losses import Batch, bpr, info_nce, squared_norm


class MGCNSettings(Settings):
    """Hyperparameters of :class:`MGCN`; ``properties/model/MGCN.yaml`` explains each."""

    embedding_size: Count
    n_layers: CountOrZero
    n_modality_layers: CountOrZero
    knn_k: Count
    reg_weight: NonNegative
    contrast_weight: NonNegative
    contrast_temperature: Positive


class Fused(NamedTuple):
    """Final users and items, and the parts they are the sum of, users before items: (n_users + n_items, d)."""

    user: Tensor
    item: Tensor
    ids: Tensor
    modal: Tensor


class MGCN(MultiModalRecommender[MGCNSettings]):
    """MGCN (Yu et al., ACM MM 2023)."""

    settings_class = MGCNSettings

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        settings = self.settings
        self.encoders = Encoders(
            self,
            {name: self._item_graph(dataset, name) for name in self.modalities},
            size=settings.embedding_size,
            layers=settings.n_layers,
            modality_layers=settings.n_modality_layers,
            mean=False,
        )
        self.fusion = SharedSpecific(self.modalities, settings.embedding_size, gated=True, pooling="mean")
        self.apply(xavier_uniform_initialization)

    def _item_graph(self, dataset: MultiModalDataset, name: str) -> Graph:
        """``D^-1/2 S D^-1/2`` with the cosines of the nearest items (eqs. 3-5); a negative one counts as none."""
        near = dataset.neighbours(name, self.settings.knn_k).normalised()
        return Graph.from_scipy(near.matrix(), symmetric=False)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Final users and items."""
        return self.fused()[:2]

    def fused(self) -> Fused:
        """Everything that the loss reads."""
        views = {name: torch.cat(pair) for name, pair in self.encoders().items()}
        ids = views.pop(ID)
        modal = self.fusion(views, ids)
        user, item = (ids + modal).split([self.n_users, self.n_items])
        return Fused(user, item, ids, modal)

    def loss(self, batch: Batch) -> Tensor:
        """``BPR + λ_c InfoNCE(modal, IDs) + λ L2`` (eq. 18)."""
        settings, found = self.settings, self.fused()
        loss = bpr(found.user, found.item, batch) + settings.reg_weight * squared_norm(found.user, found.item, batch)
        return loss + settings.contrast_weight * contrast(
            found.modal, found.ids, batch, self.n_users, settings.contrast_temperature
        )


def contrast(modal: Tensor, ids: Tensor, batch: Batch, n_users: int, temperature: float) -> Tensor:
    """InfoNCE between two views of the batch's users and positive items, users and items apart (eqs. 15-17).

    Args:
        modal: (n_users + n_items, d), users first.
        ids: likewise.
        batch: ids; one that occurs twice is read once.
        n_users: where the items begin.
        temperature: τ.
    """
    rows = batch.user.unique(), batch.positive.unique() + n_users
    return torch.stack([info_nce(F.embedding(row, modal), F.embedding(row, ids), temperature) for row in rows]).sum()


MODEL = MGCN
