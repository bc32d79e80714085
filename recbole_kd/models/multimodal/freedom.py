"""FREEDOM: a frozen item graph from the features, and a user-item graph that is pruned anew each epoch."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Probability
from recbole_kd.models.multimodal.on_lightgcn import OnLightGCN, OnLightGCNSettings
from recbole_kd.ops.graph import Graph, bipartite_graph, propagate
from recbole_kd.ops.losses import Batch, bpr


class FREEDOMSettings(OnLightGCNSettings):
    """Hyperparameters of :class:`FREEDOM`; ``properties/model/FREEDOM.yaml`` explains each."""

    n_item_layers: CountOrZero
    knn_k: Count
    modality_weights: list[NonNegative] | None
    edge_dropout: Probability
    modality_loss_weight: NonNegative


class FREEDOM(OnLightGCN[FREEDOMSettings]):
    """FREEDOM (Zhou and Shen, ACM MM 2023): item embeddings propagated on the frozen graph are added to LightGCN's."""

    settings_class = FREEDOMSettings

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        """As :class:`OnLightGCN`.

        Raises:
            UserError: ``modality_weights`` has another number of weights than there are modalities.
        """
        super().__init__(config, dataset)
        self.item_graph = self._item_graph(dataset).to(self.device)
        self._pruned: Graph | None = None
        self.apply(xavier_uniform_initialization)

    def _item_graph(self, dataset: MultiModalDataset) -> Graph:
        """``Σ_m α_m D^-1/2 S^m D^-1/2`` with the binary kNN matrices ``S^m`` (eqs. 1-4)."""
        weights = self.settings.modality_weights or [1 / len(self.modalities)] * len(self.modalities)
        if len(weights) != len(self.modalities):
            raise UserError(
                f"modality_weights has {len(weights)} weights for the modalities {', '.join(self.modalities)}; "
                "give one for each"
            )
        total = sp.csr_array((self.n_items, self.n_items))
        for name, weight in zip(self.modalities, weights, strict=True):
            near = dataset.neighbours(name, self.settings.knn_k).binary().normalised()
            total = total + weight * near.matrix()
        return Graph.from_scipy(total, symmetric=False)

    def train(self, mode: bool = True) -> Self:
        """Start an epoch with edges pruned anew."""
        if mode:
            self._pruned = None
        return super().train(mode)

    def _prune(self) -> Graph:
        """Keep ``1 − ρ`` of the edges, each with probability ∝ ``1 / √(d_u d_i)`` (eq. 6), without replacement."""
        edges = self.interactions.tocoo()
        of_users, of_items = (np.asarray(self.interactions.sum(axis=axis)).ravel() for axis in (1, 0))
        weights = torch.from_numpy(1 / np.sqrt(of_users[edges.row] * of_items[edges.col]))
        keys = weights / torch.empty_like(weights).exponential_()
        kept = keys.topk(max(int(len(keys) * (1 - self.settings.edge_dropout)), 1), sorted=False).indices.numpy()
        pairs = edges.row[kept], edges.col[kept]
        return bipartite_graph(sp.csr_array((np.ones(len(kept)), pairs), shape=edges.shape)).to(self.device)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Final embeddings on the whole user-item graph."""
        return self._on(self.graph)

    def _on(self, graph: Graph) -> tuple[Tensor, Tensor]:
        users, items = self.light_gcn(graph)
        near = self.item_embedding.weight
        for _ in range(self.settings.n_item_layers):
            near = propagate(self.item_graph, near)
        return users, items + near

    def loss(self, batch: Batch) -> Tensor:
        """``BPR + λ Σ_m BPR`` with the projected features as items (eq. 13)."""
        if self._pruned is None:
            self._pruned = self._prune()
        users, items = self._on(self._pruned)
        of_modalities = [bpr(users, self.projections[name](self.features(name)), batch) for name in self.modalities]
        return bpr(users, items, batch) + self.settings.modality_loss_weight * torch.stack(of_modalities).sum()


MODEL = FREEDOM
