"""Weighted edges against dense matrices."""

import copy

import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.ops.edges import Edges, edge_scores, edge_softmax, weighted_sums
from recbole_kd.ops.graph import Graph


def made_up(n: int, m: int, seed: int) -> tuple[Edges, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Edges, the dense mask of them, and vectors of targets and sources; some nodes have no edge."""
    generator = torch.Generator().manual_seed(seed)
    linked = torch.rand(n, m, generator=generator) < 0.3
    linked[0, 0] = True
    edges = Edges.of(Graph.from_scipy(sp.csr_array(linked.numpy()), symmetric=False))
    return edges, linked, torch.randn(n, 3, generator=generator), torch.randn(m, 3, generator=generator)


sizes = st.integers(1, 12)


@given(sizes, sizes, st.integers(0, 999))
def test_scores_and_sums_are_those_of_dense_matrices(n, m, seed):
    edges, linked, targets, sources = made_up(n, m, seed)
    scores = edge_scores(edges, targets, sources)
    torch.testing.assert_close(scores, (targets @ sources.T)[linked])
    dense = torch.zeros(n, m).masked_scatter(linked, scores)
    torch.testing.assert_close(weighted_sums(edges, scores, sources), dense @ sources)


@given(sizes, sizes, st.integers(0, 999))
def test_softmax_is_that_of_each_target(n, m, seed):
    edges, linked, targets, sources = made_up(n, m, seed)
    scores = (targets @ sources.T)[linked]
    dense = torch.full((n, m), -torch.inf).masked_scatter(linked, scores).softmax(dim=1)
    torch.testing.assert_close(edge_softmax(edges, scores), dense[linked])


@given(sizes, sizes, st.integers(0, 999))
def test_reversed_edges_are_in_order(n, m, seed):
    edges, linked, targets, sources = made_up(n, m, seed)
    back = edges.reversed()
    torch.testing.assert_close(edge_scores(back, sources, targets), edge_scores(edges, targets, sources)[edges.order])
    assert torch.equal(back.order[edges.order], torch.arange(int(linked.sum())))
    assert torch.equal(back.reversed().sources, edges.sources)


def test_gradients_are_those_of_dense_matrices():
    edges, linked, targets, sources = made_up(7, 9, 1)
    weights = torch.randn(int(linked.sum()))
    given_values = [value.requires_grad_() for value in (targets, sources, weights)]
    scores = edge_softmax(edges, edge_scores(edges, targets, sources)) * weights
    ours = weighted_sums(edges, scores, sources).pow(2).sum()
    # a dense softmax over a row without edges is NaN, and is not read
    powers = (targets @ sources.T).exp() * linked
    dense = powers / powers.sum(dim=1, keepdim=True).clamp_min(1e-30)
    dense = dense * torch.zeros_like(dense).masked_scatter(linked, weights)
    expected = (dense @ sources).pow(2).sum()
    pairs = zip(torch.autograd.grad(ours, given_values), torch.autograd.grad(expected, given_values), strict=True)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("operation", [edge_scores, weighted_sums])
def test_a_copy_works(operation):
    edges, linked, targets, sources = made_up(4, 5, 2)
    first = torch.ones(int(linked.sum())) if operation is weighted_sums else targets
    assert torch.equal(operation(copy.deepcopy(edges), first, sources), operation(edges, first, sources))
