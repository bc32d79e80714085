"""Dot products of pairs against the plain sum, their gradients, and their bits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recbole_kd.distillers.held import hold
from recbole_kd.ops.pair_scores import dot_scores, pair_scores
from recbole_kd.ops.row_gradients import ask_for_rows


def case(seed, b=4, n=5, d=3, n_items=9, dtype=torch.double):
    random = torch.Generator().manual_seed(seed)
    of_users = torch.randn(6, d, generator=random, dtype=dtype)
    of_items = torch.randn(n_items, d, generator=random, dtype=dtype)
    users = torch.randint(6, (b,), generator=random)
    return of_users, of_items, users, torch.randint(n_items, (b, n), generator=random)


def plainly(of_users, of_items, users, items):
    return (of_users[users].unsqueeze(1) * of_items[items]).sum(dim=2)


@given(st.integers(0, 999), st.integers(0, 5), st.integers(1, 12), st.integers(1, 20), st.integers(1, 4))
def test_equals_the_plain_sum_forth_and_back(seed, b, n, d, n_items):
    of_users, of_items, users, items = case(seed, b, n, d, n_items)
    leaves = of_users.requires_grad_(), of_items.requires_grad_()
    weights = torch.rand(b, n, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    results = [score(*leaves, users, items) for score in (dot_scores, plainly)]
    torch.testing.assert_close(*results)
    gradients = [torch.autograd.grad((result * weights).sum(), leaves) for result in results]
    for mine, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, expected)


@given(st.integers(0, 999), st.integers(1, 4))
def test_a_table_that_asks_for_rows_gets_those_alone(seed, n_items):
    of_users, of_items, users, items = case(seed, n_items=n_items)
    tables = [nn.Embedding.from_pretrained(part, freeze=False) for part in (of_users, of_items)]
    pair = tuple(table.weight for table in tables)
    expected = torch.autograd.grad(plainly(*pair, users, items).sum(), pair)
    for table in tables:
        ask_for_rows(table)
    held = hold(pair, lambda *leaves: dot_scores(*leaves, users, items).sum())
    for score in (dot_scores(*pair, users, items).sum(), held.apply(pair)):
        found = torch.autograd.grad(score, pair)
        for mine, whole, read in zip(found, expected, (users, items), strict=True):
            assert mine.is_sparse
            assert set(mine.coalesce().indices()[0].tolist()) == set(read.flatten().tolist())
            torch.testing.assert_close(mine.to_dense(), whole)


def test_gradient_is_that_of_the_function():
    of_users, of_items, users, items = case(1)
    leaves = of_users.requires_grad_(), of_items.requires_grad_()
    assert torch.autograd.gradcheck(lambda *pair: dot_scores(*pair, users, items), leaves)


@pytest.mark.parametrize("d", [1, 7, 8, 20, 129])
def test_a_score_has_the_same_bits_whoever_asks(d):
    given_all = case(d, b=12, n=40, d=d, n_items=30, dtype=torch.float32)
    of_users, of_items, users, items = given_all
    whole = pair_scores(*given_all)
    torch.testing.assert_close(whole, plainly(*given_all))
    for row in range(12):
        assert torch.equal(
            pair_scores(of_users, of_items, users[row : row + 1], items[row : row + 1, :9])[0], whole[row, :9]
        )


def test_halves_are_scored_as_float32():
    of_users, of_items, users, items = case(2, d=8, dtype=torch.float32)
    found = pair_scores(of_users.half(), of_items.half(), users, items)
    torch.testing.assert_close(found, plainly(of_users.half().float(), of_items.half().float(), users, items))
