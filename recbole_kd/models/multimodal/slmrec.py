"""SLMRec: one graph view of the IDs and of each modality, fused, with a self-supervised task among the views."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Positive, Probability, Settings
from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.ops.graph import bipartite_graph, light_gcn
from recbole_kd.ops.losses import Batch, info_nce


class SLMRecSettings(Settings):
    """Hyperparameters of :class:`SLMRec`; ``properties/model/SLMRec.yaml`` explains each."""

    embedding_size: Count
    n_layers: CountOrZero
    temperature: Positive
    ssl_task: Literal["fac", "fd", "fm"]
    ssl_weight: NonNegative
    ssl_temperature: Positive
    dropout: Probability


class SLMRec(MultiModalRecommender[SLMRecSettings]):
    """SLMRec (Tao et al., TMM 2022): views of IDs and modalities are propagated, put side by side and fused.

    The paper augments the contents, so ``fd`` drops what goes into the propagation, where the authors' program drops
    after each hop; ``fac`` compares by cosines like all else here, where the program takes dot products. As in the
    program the loss compares by cosines and scores are dot products.
    """

    settings_class = SLMRecSettings

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        settings, size = self.settings, self.settings.embedding_size
        self.normalise_features()  # so that no view outweighs the IDs' from the start
        self.user_embedding = nn.Embedding(self.n_users, size)
        self.item_embedding = nn.Embedding(self.n_items, size)
        self.projections = self.make_projections(size)
        width = (1 + len(self.modalities)) * size
        self.fuse_users, self.fuse_items = nn.Linear(width, size), nn.Linear(width, size)
        if settings.ssl_task == "fac":
            self._make_spaces()
        self.dropout = nn.Dropout(settings.dropout)
        self.graph = bipartite_graph(self.interactions).to(self.device)
        self.apply(xavier_uniform_initialization)

    def _make_spaces(self) -> None:
        """One space a modality, entered from the space before it and from the modality; the last of several is coarse.

        A coarse space has half the dimensions.
        """
        size = self.settings.embedding_size
        sizes = [size] * len(self.modalities)
        if len(sizes) > 1:
            sizes[-1] = max(size // 2, 1)
        spaces = list(zip(self.modalities, sizes, strict=True))
        self.from_space = nn.ModuleDict({name: nn.Linear(size, space) for name, space in spaces})
        self.from_modality = nn.ModuleDict({name: nn.Linear(size, space) for name, space in spaces})

    def forward(self) -> tuple[Tensor, Tensor]:
        """Final embeddings: the fused views, (n_users, d) and (n_items, d)."""
        users, items = self._propagated(self._starts())
        return self.fuse_users(users), self.fuse_items(items)

    def _starts(self) -> list[Tensor]:
        """The items of each view before propagation, (n_items, d): IDs, then modalities."""
        modal = [self.projections[name](self.features(name)) for name in self.modalities]
        return [self.item_embedding.weight, *modal]

    def _propagated(self, starts: list[Tensor]) -> tuple[Tensor, Tensor]:
        """LightGCN in every view from the same user embeddings; (n_users, V · d) and (n_items, V · d)."""
        users = self.user_embedding.weight.repeat(1, len(starts))
        return light_gcn(self.graph, users, torch.cat(starts, dim=1), self.settings.n_layers)

    def _rows(self, starts: list[Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
        """The batch's users and positive items after propagation, (B, V · d) each."""
        users, items = self._propagated(starts)
        return F.embedding(batch.user, users), F.embedding(batch.positive, items)

    def loss(self, batch: Batch) -> Tensor:
        """``InfoNCE(users, positives) + λ L_ssl``, the main loss of the authors' program; negatives are not used."""
        starts = self._starts()
        users, items = self._rows(starts, batch)
        loss = info_nce(self.fuse_users(users), self.fuse_items(items), self.settings.temperature)
        ssl = self._align(items) if self.settings.ssl_task == "fac" else self._contrast(starts, batch)
        return loss + self.settings.ssl_weight * ssl

    def _align(self, items: Tensor) -> Tensor:
        """FAC: what the IDs have become is contrasted with each modality in its space.

        Args:
            items: propagated views of the batch's items, (B, V · d).
        """
        common, *modal = items.split(self.settings.embedding_size, dim=1)
        losses = []
        for name, view in zip(self.modalities, modal, strict=True):
            common = self.from_space[name](common)
            losses.append(info_nce(common, self.from_modality[name](view), self.settings.ssl_temperature))
        return torch.stack(losses).sum()

    def _contrast(self, starts: list[Tensor], batch: Batch) -> Tensor:
        """FD and FM: fused users, and fused items, of two augmentations are contrasted."""
        (users, items), (other_users, other_items) = (self._rows(start, batch) for start in self._augmented(starts))
        temperature = self.settings.ssl_temperature
        of_users = info_nce(self.fuse_users(users), self.fuse_users(other_users), temperature)
        return of_users + info_nce(self.fuse_items(items), self.fuse_items(other_items), temperature)

    def _augmented(self, starts: list[Tensor]) -> list[list[Tensor]]:
        """Two versions of the items: by dropout of their features (FD), or each without another view (FM)."""
        if self.settings.ssl_task == "fd":
            return [[self.dropout(start) for start in starts] for _ in range(2)]
        hidden = torch.randperm(len(starts))[:2].tolist()
        return [
            [torch.zeros_like(x) if view == left_out else x for view, x in enumerate(starts)] for left_out in hidden
        ]


MODEL = SLMRec
