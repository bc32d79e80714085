"""LATTICE: an item graph that is learned from the features along with the recommender."""

from __future__ import annotations

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.neighbours import Neighbours, nearest_items
from recbole_kd.foundation.settings import Count, NonNegative, Probability
from recbole_kd.models.multimodal.on_lightgcn import OnLightGCN, OnLightGCNSettings
from recbole_kd.ops.graph import Graph, propagate
from recbole_kd.ops.losses import Batch, bpr, squared_norm
from recbole_kd.ops.pair_scores import dot_scores


class LATTICESettings(OnLightGCNSettings):
    """Hyperparameters of :class:`LATTICE`; ``properties/model/LATTICE.yaml`` explains each."""

    n_item_layers: Count
    knn_k: Count
    initial_graph_weight: Probability
    reg_weight: NonNegative


class LATTICE(OnLightGCN[LATTICESettings]):
    """LATTICE (Zhang et al., ACM MM 2021) on LightGCN: items propagated on the learned graph are added to LightGCN's.

    As in the authors' program the graph is learned in the first step of an epoch and stays for the rest of it, while
    evaluation computes it from the parameters as they are. As in the paper, and not in that program, the features stay
    fixed and the learned graph is normalised within each modality. An item is no neighbour of its own.
    """

    settings_class = LATTICESettings

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        self.modality_weights = nn.Parameter(torch.zeros(len(self.modalities)))
        self._initial: dict[str, Neighbours] = {}
        for name in self.modalities:
            near = dataset.neighbours(name, self.settings.knn_k).normalised()
            self._initial[name] = Neighbours(near.items.to(self.device), near.similarity.to(self.device))
        self._kept: Graph | None = None
        self.apply(xavier_uniform_initialization)

    def train(self, mode: bool = True) -> Self:
        """Start an epoch with a graph to be learned anew."""
        if mode:
            self._kept = None
        return super().train(mode)

    def learned(self, modality: str) -> Neighbours:
        """The normalised graph of the transformed features (eqs. 3 and 4), differentiable in the transformation.

        An item without features has none after the transformation either.
        """
        features = self.features(modality)
        transformed = self.projections[modality](features) * features.any(dim=1, keepdim=True)
        unit = F.normalize(transformed, dim=1)
        near = nearest_items(unit.detach(), self.settings.knn_k).items
        cosines = dot_scores(unit, unit, torch.arange(self.n_items, device=unit.device), near)
        return Neighbours(near, cosines).normalised()

    def item_graph(self) -> Neighbours:
        """``Σ_m α_m (λ S^m + (1 − λ) A^m)`` (eqs. 5 and 6), with each modality's neighbours side by side.

        Returns:
            Neighbours and their entries in the matrix, (n_items, 2 · M · k); an item that occurs twice counts twice.
        """
        of_initial = self.settings.initial_graph_weight
        items, entries = [], []
        for name, weight in zip(self.modalities, self.modality_weights.softmax(dim=0), strict=True):
            initial, learned = self._initial[name], self.learned(name)
            items += [initial.items, learned.items]
            entries += [weight * of_initial * initial.similarity, weight * (1 - of_initial) * learned.similarity]
        return Neighbours(torch.cat(items, dim=1), torch.cat(entries, dim=1))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Final embeddings (eq. 8), in training on the epoch's item graph."""
        users, items = self.light_gcn()
        return users, items + F.normalize(self._propagated(), dim=1)

    def _propagated(self) -> Tensor:
        """The item embeddings after the layers on the item graph, (n_items, d) (eq. 7)."""
        x = self.item_embedding.weight
        if self.training and self._kept is not None:
            for _ in range(self.settings.n_item_layers):
                x = propagate(self._kept, x)
            return x
        near, entries = self.item_graph()
        if self.training:
            self._kept = Graph.from_scipy(Neighbours(near, entries).matrix(), symmetric=False).to(self.device)
        for _ in range(self.settings.n_item_layers):
            x = F.embedding_bag(near, x, mode="sum", per_sample_weights=entries)
        return x

    def loss(self, batch: Batch) -> Tensor:
        """BPR + λ L2."""
        users, items = self.forward()
        return bpr(users, items, batch) + self.settings.reg_weight * squared_norm(users, items, batch)


MODEL = LATTICE
