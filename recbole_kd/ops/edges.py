"""Edges whose weights are computed at each step: scores of their ends, and weighted sums over them.

What autograd does with a sparse product turns each gradient into sorting and dense matrices. Here the gradients of one
operation are the other one, or itself in the other direction.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_kd.ops.graph import Graph


class Edges(NamedTuple):
    """E edges from m sources to n targets.

    Attributes:
        graph: (n, m), a row for each target; its values are not read.
        order: ids of the edges in the order of the graph's transpose, (E,).
    """

    graph: Graph
    order: Tensor

    @classmethod
    def of(cls, graph: Graph) -> Edges:
        """The edges of a graph, in its order."""
        return cls(graph, graph.matrix.col_indices().argsort(stable=True))

    @property
    def sources(self) -> Tensor:
        """Ids of the edges' sources, (E,)."""
        return self.graph.matrix.col_indices()

    def reversed(self) -> Edges:
        """The same edges from targets to sources; edge e of these is edge ``order[e]`` of those."""
        return Edges(Graph(self.graph.transpose, self.graph.matrix), self.order.argsort())


def edge_scores(edges: Edges, targets: Tensor, sources: Tensor) -> Tensor:
    """Dot products of the two ends of each edge, (E,), differentiable in both.

    Args:
        edges: from m sources to n targets.
        targets: (n, d).
        sources: (m, d).
    """
    found: Tensor = _EdgeScores.apply(edges, targets, sources)  # type: ignore[no-untyped-call]
    return found


def weighted_sums(edges: Edges, weights: Tensor, sources: Tensor) -> Tensor:
    """The sum over each target's edges of weight times source, (n, d), differentiable in weights and sources.

    Args:
        edges: from m sources to n targets.
        weights: (E,).
        sources: (m, d).
    """
    found: Tensor = _WeightedSums.apply(edges, weights, sources)  # type: ignore[no-untyped-call]
    return found


def edge_softmax(edges: Edges, scores: Tensor) -> Tensor:
    """Softmax over the edges of each target, (E,).

    Args:
        edges: from m sources to n targets.
        scores: (E,), small enough for their exponentials, such as cosines.
    """
    powers = scores.exp()
    target = torch.repeat_interleave(edges.graph.matrix.crow_indices().diff())
    totals = powers.new_zeros(edges.graph.shape[0]).index_add(0, target, powers)
    return powers / totals.index_select(0, target)


def _scores(pattern: Tensor, targets: Tensor, sources: Tensor) -> Tensor:
    found: Tensor = torch.sparse.sampled_addmm(pattern, targets, sources.T, beta=0.0).values()
    return found


def _sums(pattern: Tensor, weights: Tensor, sources: Tensor) -> Tensor:
    return F.embedding_bag(
        pattern.col_indices(),
        sources.contiguous(),
        pattern.crow_indices(),
        mode="sum",
        per_sample_weights=weights.contiguous(),
        include_last_offset=True,
    )


class _EdgeScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, targets: Tensor, sources: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(targets, sources)
        return _scores(edges.graph.matrix, targets, sources)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor]:
        edges, (targets, sources) = ctx.edges, ctx.saved_tensors
        back = gradients[0].index_select(0, edges.order)
        return None, _sums(edges.graph.matrix, gradients[0], sources), _sums(edges.graph.transpose, back, targets)


class _WeightedSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, weights: Tensor, sources: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(weights, sources)
        return _sums(edges.graph.matrix, weights, sources)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor]:
        edges, (weights, sources) = ctx.edges, ctx.saved_tensors
        of_weights = _scores(edges.graph.matrix, gradients[0].contiguous(), sources)
        return None, of_weights, _sums(edges.graph.transpose, weights.index_select(0, edges.order), gradients[0])
