"""The backbone that BM3, LATTICE and FREEDOM stand on: LightGCN's embeddings and graph, and a projection a modality."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.settings import Count, CountOrZero, Settings
from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.ops.graph import Graph, bipartite_graph, light_gcn


class OnLightGCNSettings(Settings):
    """Hyperparameters of the backbone."""

    embedding_size: Count
    n_layers: CountOrZero


Own = TypeVar("Own", bound=OnLightGCNSettings)


class OnLightGCN(MultiModalRecommender[Own]):
    """Has ``user_embedding``, ``item_embedding``, ``projections`` and ``graph``; a subclass initialises them."""

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        size = self.settings.embedding_size
        self.user_embedding = nn.Embedding(self.n_users, size)
        self.item_embedding = nn.Embedding(self.n_items, size)
        self.projections = self.make_projections(size)
        self.graph = bipartite_graph(self.interactions).to(self.device)

    def light_gcn(self, graph: Graph | None = None) -> tuple[Tensor, Tensor]:
        """LightGCN's users and items, (n_users, d) and (n_items, d), on ``graph`` or the whole one."""
        ids = self.user_embedding.weight, self.item_embedding.weight
        return light_gcn(graph or self.graph, *ids, self.settings.n_layers)
