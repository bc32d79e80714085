"""MMGCN: one graph convolution per modality, held together by the ID embeddings that join each of its layers."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.settings import Count, NonNegative, Settings
from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.ops.graph import Graph, propagate
from recbole_kd.ops.losses import Batch, bpr, squared_norm


class MMGCNSettings(Settings):
    """Hyperparameters of :class:`MMGCN`; ``properties/model/MMGCN.yaml`` explains each."""

    embedding_size: Count
    n_layers: Count
    reg_weight: NonNegative


class Layer(nn.Module):
    """One aggregation and one combination layer of a modality (eqs. 2, 5 and 6)."""

    def __init__(self, size: int) -> None:
        """Make ``W_1``, ``W_2`` and ``W_3`` for representations of ``size`` dimensions."""
        super().__init__()
        self.aggregate = nn.Linear(size, size, bias=False)
        self.own = nn.Linear(size, size, bias=False)
        self.combine = nn.Linear(2 * size, size, bias=False)

    def forward(self, graph: Graph, x: Tensor, ids: Tensor) -> Tensor:
        """Return the next representations of all nodes, (n, d), from ``x`` and the ID embeddings, both (n, d)."""
        neighbours = F.leaky_relu(propagate(graph, self.aggregate(x)))
        own = F.leaky_relu(self.own(x)) + ids
        return F.leaky_relu(self.combine(torch.cat([neighbours, own], dim=1)))


class ModalityGCN(nn.Module):
    """The users' preferences, the projection of the features and the layers of one modality."""

    def __init__(self, n_users: int, width: int, size: int, n_layers: int) -> None:
        """Make what reads features of ``width`` dimensions and represents nodes in ``size``."""
        super().__init__()
        self.preference = nn.Embedding(n_users, size)
        self.projection = nn.Linear(width, size, bias=False)
        self.layers = nn.ModuleList(Layer(size) for _ in range(n_layers))

    def forward(self, graph: Graph, features: Tensor, ids: Tensor) -> Tensor:
        """Return users and items as this modality sees them, (n_users + n_items, d) (eq. 8).

        Args:
            graph: over (n_users + n_items) nodes.
            features: (n_items, width).
            ids: (n_users + n_items, d).
        """
        x = F.normalize(torch.cat([self.preference.weight, self.projection(features)]), dim=1)
        for layer in self.layers:
            x = layer(graph, x, ids)
        return x


class MMGCN(MultiModalRecommender[MMGCNSettings]):
    """MMGCN (Wei et al., ACM MM 2019) with mean aggregation and concatenation combination.

    As in the authors' program the features are projected first, the layers start from unit vectors, and modalities are
    averaged, which ranks as the sum of eq. 9 does. Unlike there, as in the paper, no map has a bias.
    """

    settings_class = MMGCNSettings

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        size, n_layers = self.settings.embedding_size, self.settings.n_layers
        self.user_embedding = nn.Embedding(self.n_users, size)
        self.item_embedding = nn.Embedding(self.n_items, size)
        self.gcns = nn.ModuleDict(
            {name: ModalityGCN(self.n_users, self.features(name).shape[1], size, n_layers) for name in self.modalities}
        )
        self.graph = self._mean_graph().to(self.device)
        self.apply(xavier_uniform_initialization)

    def _mean_graph(self) -> Graph:
        """``D^-1 A`` over (n_users + n_items) nodes: the mean over the neighbours of a node."""
        adjacency = sp.block_array([[None, self.interactions], [self.interactions.T, None]], format="csr")
        degrees = np.maximum(np.asarray(adjacency.sum(axis=1)).ravel(), 1)
        return Graph.from_scipy(sp.diags_array(1 / degrees) @ adjacency, symmetric=False)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Final embeddings: the means over the modalities."""
        ids = torch.cat([self.user_embedding.weight, self.item_embedding.weight])
        seen = [gcn(self.graph, self.features(name), ids) for name, gcn in self.gcns.items()]
        final = torch.stack(seen).mean(dim=0)
        return final[: self.n_users], final[self.n_users :]

    def loss(self, batch: Batch) -> Tensor:
        """BPR + λ L2 of the ID embeddings."""
        users, items = self.forward()
        penalty = squared_norm(self.user_embedding.weight, self.item_embedding.weight, batch)
        return bpr(users, items, batch) + self.settings.reg_weight * penalty


MODEL = MMGCN
