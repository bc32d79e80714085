"""Normalised adjacency and the one propagate operation that every graph model here shares.

On a CPU the propagation is nearly the whole cost of a graph recommender's epoch. Three things make it cheap:
the matrix is built by vectorised SciPy, it is kept as CSR with 32-bit indices, and the backward pass uses its
symmetry (the gradient of ``A x`` is ``A g``) instead of transposing a sparse matrix at every step.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor


class Graph:
    """A symmetric sparse matrix that does not change.

    Copying shares it (PyTorch cannot deep-copy CSR tensors), and it is no part of a model's state dict: it is
    made again from the interactions.
    """

    def __init__(self, matrix: Tensor) -> None:
        """Hold ``matrix``, a symmetric float32 CSR tensor of shape (n, n)."""
        self.matrix = matrix

    @classmethod
    def from_scipy(cls, matrix: sp.spmatrix | sp.sparray) -> Graph:
        """Convert a symmetric SciPy matrix of shape (n, n), as float32 with int32 indices."""
        csr = sp.csr_array(matrix).astype(np.float32)
        csr.sort_indices()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            tensor = torch.sparse_csr_tensor(
                torch.from_numpy(csr.indptr.astype(np.int32)),
                torch.from_numpy(csr.indices.astype(np.int32)),
                torch.from_numpy(csr.data),
                size=csr.shape,
            )
        return cls(tensor)

    @property
    def shape(self) -> torch.Size:
        """(n, n)."""
        return self.matrix.shape

    def to(self, device: torch.device | str) -> Graph:
        """Return this graph on ``device``."""
        return self if self.matrix.device == torch.device(device) else Graph(self.matrix.to(device))

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        return self

    def __repr__(self) -> str:
        return f"Graph({self.shape[0]} nodes, {self.matrix.values().numel()} entries)"


class _Propagate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, graph: Graph, x: Tensor) -> Tensor:
        ctx.graph = graph
        return torch.sparse.mm(graph.matrix, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, torch.sparse.mm(ctx.graph.matrix, gradients[0].contiguous())


def propagate(graph: Graph, x: Tensor) -> Tensor:
    """One hop: ``A x`` for ``x`` of shape (n, d), differentiable in ``x``."""
    return _Propagate.apply(graph, x)


def layer_mean(graph: Graph, x: Tensor, layers: int) -> Tensor:
    """LightGCN's read-out: the mean of ``x, A x, …, A^layers x`` (He et al. 2020, eq. 8), shape (n, d)."""
    total = x
    for _ in range(layers):
        x = propagate(graph, x)
        total = total + x
    return total / (layers + 1)


def symmetric_normalise(adjacency: sp.spmatrix | sp.sparray) -> sp.csr_array:
    """``D^-1/2 A D^-1/2`` of a symmetric matrix; a row without entries stays zero.

    The 1e-7 is RecBole's, so that our LightGCN gives RecBole's values.
    """
    matrix = sp.csr_array(adjacency, dtype=np.float64)
    scale = np.power(np.asarray(matrix.sum(axis=1)).ravel() + 1e-7, -0.5)
    return sp.csr_array(sp.diags_array(scale) @ matrix @ sp.diags_array(scale))


def interaction_matrix(users: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> sp.csr_array:
    """The 0/1 matrix ``R`` of shape (n_users, n_items); an interaction that occurs twice counts once."""
    matrix = sp.csr_array((np.ones(len(users)), (users, items)), shape=(n_users, n_items))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def bipartite_graph(interactions: sp.spmatrix | sp.sparray) -> Graph:
    """The normalised user–item graph over (n_users + n_items) nodes, users first.

    Args:
        interactions: ``R``, (n_users, n_items), 0/1.
    """
    matrix = sp.csr_array(interactions)
    return Graph.from_scipy(symmetric_normalise(sp.block_array([[None, matrix], [matrix.T, None]], format="csr")))


def knn_graph(features: Tensor, k: int, block: int = 2048) -> sp.csr_array:
    """The k-nearest-neighbour graph of the rows of ``features`` by cosine: binary, symmetric by union, no loops.

    Args:
        features: (n, d); a zero row has no neighbours and is nobody's neighbour.
        k: neighbours a row, itself excluded.
        block: rows scored at a time, so that memory is ``block × n``, never ``n²``.

    Returns:
        An (n, n) matrix of ones, not normalised.
    """
    rows = torch.nn.functional.normalize(features.float(), dim=1)
    present = rows.abs().sum(dim=1) > 0
    k = min(k, int(present.sum()) - 1)
    if k < 1:
        return sp.csr_array((len(rows), len(rows)), dtype=np.float64)
    sources, targets = [], []
    for start in range(0, len(rows), block):
        ids = torch.arange(start, min(start + block, len(rows)), device=rows.device)
        similarity = rows[ids] @ rows.T
        similarity[torch.arange(len(ids), device=rows.device), ids] = -torch.inf
        similarity[:, ~present] = -torch.inf
        nearest = similarity.topk(k, dim=1).indices
        keep = present[ids]
        sources.append(ids[keep].repeat_interleave(k).cpu().numpy())
        targets.append(nearest[keep].reshape(-1).cpu().numpy())
    source, target = np.concatenate(sources), np.concatenate(targets)
    matrix = sp.csr_array((np.ones(len(source)), (source, target)), shape=(len(rows), len(rows)))
    return sp.csr_array(matrix.maximum(matrix.T))
