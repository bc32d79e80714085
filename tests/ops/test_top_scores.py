"""The best columns against a full sort."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.ops import top_scores
from recbole_kd.ops.top_scores import best_columns


def brute_force(scores, k):
    found = scores.sort(dim=1, descending=True, stable=True)
    return found.values[:, :k], found.indices[:, :k]


def assert_the_same(scores, k):
    for found, expected in zip(best_columns(scores, k), brute_force(scores, k), strict=True):
        assert torch.equal(found, expected)


@given(st.integers(0, 1000), st.integers(1, 90), st.integers(1, 6), st.sampled_from([3, 40, None]))
def test_equals_a_full_sort_with_equal_scores_by_column(seed, n, k, values):
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(5, n, generator=random)
    if values is not None:  # many equal ones
        scores = torch.randint(values, (5, n), generator=random).float()
    scores[torch.rand(5, n, generator=random) < 0.3] = -torch.inf
    assert_the_same(scores, min(k, n))


@pytest.mark.parametrize("n", [160, 161, 167, 1000])
def test_the_quick_way_is_taken_and_is_right(monkeypatch, n):
    monkeypatch.setattr(top_scores, "_plainly", lambda *_: pytest.fail("sorted all"))
    assert_the_same(torch.randn(30, n, generator=torch.Generator().manual_seed(n)), 8)


def test_rows_that_are_odd_are_sorted_alone():
    scores = torch.randn(6, 400, generator=torch.Generator().manual_seed(5))
    scores[1] = -torch.inf
    scores[3] = 2.0
    scores[4, 7:] = -torch.inf
    assert_the_same(scores, 9)


def test_one_score_for_all_is_sorted_plainly():
    assert_the_same(torch.zeros(3, 500), 4)


def test_fewer_scores_than_wanted_and_none():
    scores = torch.full((2, 400), -torch.inf)
    scores[0, 399] = 1.0
    assert_the_same(scores, 5)
    assert best_columns(torch.zeros(0, 400), 5)[0].shape == (0, 5)


def test_scores_that_are_no_numbers_do_not_break_it():
    scores = torch.full((2, 400), torch.nan)
    assert best_columns(scores, 5)[1].shape == (2, 5)


def test_the_scores_are_left_as_they_were():
    scores = torch.randn(4, 320, generator=torch.Generator().manual_seed(0))
    before = scores.clone()
    best_columns(scores, 6)
    assert torch.equal(scores, before)
