"""Encoders of one view each, the IDs or a modality, and what joins the views: MGCN's and MTS²4MM's common parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.ops.graph import Graph, bipartite_graph, bipartite_halves, layer_mean, light_gcn, propagate

Pair = tuple[Tensor, Tensor]
ID = "id"


class ModalityView(nn.Module):
    """Item IDs purified by one modality, ``E_i ⊙ σ(W_g (W x_i + b))``, propagated to like items, then to users."""

    def __init__(
        self, features: Tensor, item_graph: Graph, to_users: Graph, size: int, layers: int, mean: bool
    ) -> None:
        """Args:
        features: (n_items, d_m), kept out of the state dict.
        item_graph: items like each other.
        to_users: items to users.
        size: d.
        layers: propagation steps on ``item_graph``.
        mean: read out the mean over all steps, else the last.
        """
        super().__init__()
        self.register_buffer("features", features, persistent=False)
        self.item_graph, self.to_users, self.layers, self.mean = item_graph, to_users, layers, mean
        self.projection = nn.Linear(features.shape[1], size)
        self.gate = nn.Linear(size, size)

    def forward(self, ids: Tensor) -> Pair:
        """Users (n_users, d) and items (n_items, d) of this view, from item IDs (n_items, d)."""
        items = ids * torch.sigmoid(self._gates())
        if self.mean:
            items = layer_mean(self.item_graph, items, self.layers)
        else:
            for _ in range(self.layers):
                items = propagate(self.item_graph, items)
        return propagate(self.to_users, items), items

    def _gates(self) -> Tensor:
        """``W_g (W x_i + b) + b_g``: two linear maps are one, of which the items see one product (n_items, d)."""
        weight, bias = self.gate.weight @ self.projection.weight, self.gate(self.projection.bias)
        return F.linear(self.get_buffer("features"), weight, bias)


class Encoders(nn.Module):
    """One encoder a view: LightGCN on the IDs, and a :class:`ModalityView` a modality."""

    def __init__(
        self,
        model: MultiModalRecommender[Any],
        item_graphs: Mapping[str, Graph],
        *,
        size: int,
        layers: int,
        modality_layers: int,
        mean: bool,
        with_ids: bool = True,
        shared_ids: bool = True,
    ) -> None:
        """Args:
        model: has the features and the interactions.
        item_graphs: of the modalities to encode.
        size: d.
        layers: propagation steps of the IDs.
        modality_layers: those of a modality.
        mean: see :class:`ModalityView`.
        with_ids: whether the IDs are a view of their own.
        shared_ids: whether the views purify one table of item IDs, or a table of their own each.
        """
        super().__init__()
        self.n_users, self.layers, self.shared_ids = model.n_users, layers, shared_ids
        self.graph = bipartite_graph(model.interactions).to(model.device)
        to_users = bipartite_halves(model.interactions)[0].to(model.device)
        self.user_embedding = nn.Embedding(model.n_users, size) if with_ids else None
        tables = {ID} if shared_ids else {*item_graphs}
        self.item_embeddings = nn.ModuleDict(
            {name: nn.Embedding(model.n_items, size) for name in sorted(tables | ({ID} if with_ids else set()))}
        )
        self.views = nn.ModuleDict(
            {
                name: ModalityView(model.features(name), graph.to(model.device), to_users, size, modality_layers, mean)
                for name, graph in item_graphs.items()
            }
        )

    def forward(self) -> dict[str, Pair]:
        """Users and items of every view, the ID's first."""
        found = {} if self.user_embedding is None else {ID: self.of_ids()}
        for name, view in self.views.items():
            found[name] = view(self._items(ID if self.shared_ids else name))
        return found

    def of_ids(self) -> Pair:
        """Users and items of the IDs' own view, which there must be."""
        assert self.user_embedding is not None
        return light_gcn(self.graph, self.user_embedding.weight, self._items(ID), self.layers)

    def tables(self, of_ids_alone: bool = False) -> tuple[Tensor | None, list[Tensor]]:
        """The embeddings of users (n_users, d), None without IDs, and of items in every table, (n_items, d) each."""
        users = None if self.user_embedding is None else self.user_embedding.weight
        return users, [self._items(ID)] if of_ids_alone else [self._items(table) for table in self.item_embeddings]

    def _items(self, table: str) -> Tensor:
        return self.item_embeddings.get_parameter(f"{table}.weight")


class SharedSpecific(nn.Module):
    """What modalities have in common, by attention, and what each has besides, gated by the IDs (MGCN, eqs. 10-14)."""

    def __init__(self, modalities: tuple[str, ...], size: int, gated: bool, pooling: Literal["mean", "sum"]) -> None:
        """Args:
        modalities: one has nothing in common with others, and is passed on as it is.
        size: d.
        gated: whether a gate weighs each specific part.
        pooling: how the common part and the specific ones are joined.
        """
        super().__init__()
        self.pooling = pooling
        several = len(modalities) > 1
        self.query = (
            nn.Sequential(nn.Linear(size, size), nn.Tanh(), nn.Linear(size, 1, bias=False)) if several else None
        )
        self.gates = nn.ModuleDict({name: nn.Linear(size, size) for name in modalities if several and gated})

    def forward(self, views: Mapping[str, Tensor], guide: Tensor | None) -> Tensor:
        """Join ``views`` of all modalities or some, each (n, d), for nodes whose IDs are ``guide`` (n, d).

        Without gates the guide is not read. A single view is passed on as it is.
        """
        if self.query is None or len(views) == 1:
            return next(iter(views.values()))
        stacked = torch.stack(list(views.values()))
        shared = (self.query(stacked).softmax(dim=0) * stacked).sum(dim=0)
        specific = stacked - shared
        if self.gates:
            specific = specific * torch.sigmoid(torch.stack([self.gates[name](guide) for name in views]))
        total = shared + specific.sum(dim=0)
        joined: Tensor = total / (1 + len(views)) if self.pooling == "mean" else total
        return joined
