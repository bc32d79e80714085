import copy

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kd.ops import graph

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=30)


def dense_normalised(matrix: np.ndarray) -> np.ndarray:
    rows, columns = matrix.sum(1) + 1e-7, matrix.sum(0) + 1e-7
    return matrix / np.sqrt(np.outer(rows, columns))


@settings(max_examples=30)
@given(pairs)
def test_bipartite_graph_equals_the_dense_formula(interactions):
    users, items = np.array(interactions).T
    r = np.zeros((5, 7))
    r[users, items] = 1
    adjacency = np.block([[np.zeros((5, 5)), r], [r.T, np.zeros((7, 7))]])
    matrix = graph.interaction_matrix(users, items, 5, 7)
    whole = graph.bipartite_graph(matrix).matrix.to_dense().numpy()
    np.testing.assert_allclose(whole, dense_normalised(adjacency), rtol=1e-5)
    to_users, to_items = graph.bipartite_halves(matrix)
    np.testing.assert_allclose(to_users.matrix.to_dense().numpy(), whole[:5, 5:], rtol=1e-6)
    np.testing.assert_allclose(to_items.matrix.to_dense().numpy(), whole[5:, :5], rtol=1e-6)


def test_an_interaction_that_occurs_twice_counts_once():
    once = graph.interaction_matrix(np.array([0, 1]), np.array([1, 0]), 2, 2)
    twice = graph.interaction_matrix(np.array([0, 1, 0]), np.array([1, 0, 1]), 2, 2)
    assert (once != twice).nnz == 0


@pytest.mark.parametrize("symmetric", [True, False])
def test_propagate_is_the_product_and_its_gradient(symmetric):
    dense = np.random.default_rng(0).normal(size=(6, 6)) * (np.random.default_rng(1).random((6, 6)) < 0.5)
    dense = dense + dense.T if symmetric else dense[:, :4]
    sparse = graph.Graph.from_scipy(sp.csr_array(dense), symmetric=symmetric)
    x = torch.randn(dense.shape[1], 3, requires_grad=True)
    weight = torch.randn(dense.shape[0], 3)
    (graph.propagate(sparse, x) * weight).sum().backward()
    reference = torch.tensor(dense, dtype=torch.float32)
    torch.testing.assert_close(graph.propagate(sparse, x), reference @ x)
    torch.testing.assert_close(x.grad, reference.T @ weight)


def test_layer_mean_by_hand():
    swap = graph.Graph.from_scipy(sp.csr_array([[0.0, 1.0], [1.0, 0.0]]))
    x = torch.tensor([[1.0], [4.0]])
    assert graph.layer_mean(swap, x, 0).tolist() == [[1.0], [4.0]]
    assert graph.layer_mean(swap, x, 1).tolist() == [[2.5], [2.5]]
    assert graph.layer_mean(swap, x, 2).tolist() == [[2.0], [3.0]]


def test_indices_are_32_bit_and_a_copy_shares_the_matrix():
    whole = graph.bipartite_graph(sp.csr_array(np.eye(3)))
    assert whole.matrix.crow_indices().dtype == whole.matrix.col_indices().dtype == torch.int32
    assert copy.deepcopy(whole) is whole
