"""GRCN: a user-item graph whose edges are weighted anew at each step by how well features and preferences agree."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Settings
from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.ops.edges import Edges, edge_scores, edge_softmax, weighted_sums
from recbole_kd.ops.graph import Graph
from recbole_kd.ops.losses import Batch, bpr, squared_norm


class GRCNSettings(Settings):
    """Hyperparameters of :class:`GRCN`; ``properties/model/GRCN.yaml`` explains each."""

    embedding_size: Count
    n_layers: Count
    n_routings: CountOrZero
    reg_weight: NonNegative


class Refined(NamedTuple):
    """What one modality says: ``users`` (n_users, d), ``items`` (n_items, d) and the edges' scores, (E,) each way."""

    users: Tensor
    items: Tensor
    to_users: Tensor
    to_items: Tensor


class GRCN(MultiModalRecommender[GRCNSettings]):
    """GRCN (Wei et al., ACM MM 2020), with the maximum over modalities, soft pruning and concatenation.

    As in the authors' program all vectors are made unit vectors before they are compared or propagated, and an edge
    takes the confidence of the node that it comes from. Unlike there, projections have no bias, so that an item without
    features stays the zero vector, and confidences start at 1: a node that starts below 0 in each modality would be cut
    off for good.
    """

    settings_class = GRCNSettings

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        size = self.settings.embedding_size
        self.user_embedding = nn.Embedding(self.n_users, size)
        self.item_embedding = nn.Embedding(self.n_items, size)
        self.preferences = nn.ParameterDict(
            {name: nn.init.xavier_uniform_(torch.empty(self.n_users, size)) for name in self.modalities}
        )
        self.projections = self.make_projections(size, bias=False)
        self.user_confidence = nn.Parameter(torch.ones(self.n_users, len(self.modalities)))
        self.item_confidence = nn.Parameter(torch.ones(self.n_items, len(self.modalities)))
        self.to_users = Edges.of(Graph.from_scipy(self.interactions, symmetric=False).to(self.device))
        self.to_items = self.to_users.reversed()
        self.apply(xavier_uniform_initialization)

    def refine(self, modality: str) -> Refined:
        """Graph refining layer: route the users' preferences among the items of their neighbourhood, then score."""
        to_users, to_items = self.to_users, self.to_items
        users = F.normalize(self.preferences[modality], dim=1)
        items = F.normalize(F.leaky_relu(self.projections[modality](self.features(modality))), dim=1)
        for _ in range(self.settings.n_routings):
            routed = edge_softmax(to_users, edge_scores(to_users, users, items))
            users = F.normalize(users + weighted_sums(to_users, routed, items), dim=1)
        scores = edge_scores(to_users, users, items)
        of_users = edge_softmax(to_users, scores)
        of_items = edge_softmax(to_items, scores.index_select(0, to_users.order))
        return Refined(
            users + weighted_sums(to_users, of_users, items),
            items + weighted_sums(to_items, of_items, users),
            of_users,
            of_items,
        )

    def forward(self) -> tuple[Tensor, Tensor]:
        """IDs on the refined graph and the modalities side by side, (n_users, (1 + M) d) and (n_items, (1 + M) d)."""
        refined = [self.refine(name) for name in self.modalities]
        to_users, to_items = self.to_users, self.to_items
        of_users = prune(to_users, [one.to_users for one in refined], self.item_confidence)
        of_items = prune(to_items, [one.to_items for one in refined], self.user_confidence)
        users, items = (F.normalize(table.weight, dim=1) for table in (self.user_embedding, self.item_embedding))
        all_users, all_items = users, items
        for _ in range(self.settings.n_layers):
            users, items = weighted_sums(to_users, of_users, items), weighted_sums(to_items, of_items, users)
            all_users, all_items = all_users + users, all_items + items
        return (
            torch.cat([all_users, *(one.users for one in refined)], dim=1),
            torch.cat([all_items, *(one.items for one in refined)], dim=1),
        )

    def loss(self, batch: Batch) -> Tensor:
        """BPR + λ L2 of the ID embeddings."""
        users, items = self.forward()
        penalty = squared_norm(self.user_embedding.weight, self.item_embedding.weight, batch)
        return bpr(users, items, batch) + self.settings.reg_weight * penalty


def prune(edges: Edges, scores: list[Tensor], confidence: Tensor) -> Tensor:
    """The largest over modalities of ``score · confidence of the source``, (E,); what is negative becomes 0.

    Args:
        edges: from m sources.
        scores: of each modality, (E,).
        confidence: of the sources, (m, M).
    """
    return (torch.stack(scores, dim=1) * F.embedding(edges.sources, confidence)).amax(dim=1).relu()


MODEL = GRCN
