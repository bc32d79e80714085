"""RCE-KD's item sets against brute force on small catalogues."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recbole_kd.distillers import closure
from recbole_kd.ops.membership import contains, ranks_of

N = 24


def case(seed: int = 0):
    """Scores of one row with the padding and two items left out, and the three items that R is to close."""
    scores = torch.randn(1, N, generator=torch.Generator().manual_seed(seed))
    scores[0, [0, 3, 4]] = -torch.inf
    return scores, torch.tensor([[5, 6, 7, 0]])


def weights_of(scores, missed, temperature=1.0, cap=50, max_rank=None):
    """``exp(min(c_j, cap) / T)`` from the definition, ranks counted one by one."""
    row, wanted = scores[0].tolist(), [i for i in missed[0].tolist() if i]
    rank = {j: 1 + sum(other > row[j] for other in row) for j in range(N) if row[j] > -math.inf}
    weights = torch.zeros(N)
    for j in rank:
        if j not in wanted and (max_rank is None or rank[j] <= max_rank):
            weights[j] = math.exp(min(sum(rank[j] < rank[i] for i in wanted), cap) / temperature)
    return weights


def draw(scores, missed, rows, count, seed=0, temperature=1.0, cap=50, max_rank=None):
    generator = torch.Generator().manual_seed(seed)
    many = (part.expand(rows, -1).contiguous() for part in (scores, missed))
    return closure.draw_closing(*many, count, temperature, cap, generator, max_rank)


@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 3.0}, {"cap": 1}, {"max_rank": 9}, {"max_rank": 1000}],
    ids=["plain", "temperature", "cap", "top", "top of all"],
)
def test_first_draw_has_the_papers_probabilities(options):
    scores, missed = case()
    weights = weights_of(scores, missed, **options)
    drawn = draw(scores, missed, 20_000, 4, **options)[:, 0]
    seen = torch.bincount(drawn, minlength=N).double()
    assert not seen[weights == 0].any()
    expected = weights[weights > 0].double()
    expected *= len(drawn) / expected.sum()
    assert stats.chisquare(seen[weights > 0], expected).pvalue > 1e-3


@pytest.mark.parametrize("max_rank", [None, 12])
def test_second_draw_is_without_replacement(max_rank):
    """P(second = j) = Σ_i p_i p_j / (1 - p_i): the successive draws of the definition."""
    scores, missed = case(1)
    p = weights_of(scores, missed, max_rank=max_rank).double()
    p /= p.sum()
    second = torch.stack([sum(p[i] * p[j] / (1 - p[i]) for i in range(N) if i != j and p[i] > 0) for j in range(N)])
    drawn = draw(scores, missed, 20_000, 4, max_rank=max_rank)
    seen = torch.bincount(drawn[:, 1], minlength=N).double()
    assert stats.chisquare(seen[p > 0], second[p > 0] / second.sum() * len(drawn)).pvalue > 1e-3


def test_rows_that_proposals_do_not_fill_keep_the_probabilities(monkeypatch):
    """With one round of proposals most rows are completed from all weights."""
    monkeypatch.setattr(closure, "_MAX_ROUNDS", 1)
    scores, missed = case(2)
    p = weights_of(scores, missed, temperature=0.5).double()
    drawn = draw(scores, missed, 20_000, 1, temperature=0.5)[:, 0]
    seen = torch.bincount(drawn, minlength=N).double()
    assert stats.chisquare(seen[p > 0], p[p > 0] / p.sum() * len(drawn)).pvalue > 1e-3


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([None, 5, 30]))
def test_no_item_twice_and_none_forbidden(seed, count, max_rank):
    scores, missed = case(seed)
    weights = weights_of(scores, missed, max_rank=max_rank)
    for row in draw(scores, missed, 3, count, seed, max_rank=max_rank).tolist():
        items = [item for item in row if item]
        assert len(set(items)) == len(items) == min(count, int((weights > 0).sum()))
        assert all(weights[item] > 0 for item in items)
        assert row[len(items) :] == [0] * (len(row) - len(items))


def test_nothing_missed_draws_uniformly():
    scores, missed = case()
    seen = torch.bincount(draw(scores, torch.zeros_like(missed), 20_000, 1)[:, 0], minlength=N).double()
    allowed = scores[0] > -torch.inf
    assert not seen[~allowed].any()
    assert stats.chisquare(seen[allowed]).pvalue > 1e-3


def test_counts_and_ranks_by_hand():
    scores = torch.tensor([[-torch.inf, 5.0, 4.0, 3.0, 2.0, 1.0]])
    missed_scores = torch.tensor([[1.0, 3.0, torch.inf]])
    assert closure.items_below(scores, missed_scores).tolist() == [[0, 2, 2, 1, 1, 0]]
    assert ranks_of(scores, torch.tensor([[1, 3, 5]])).tolist() == [[1, 3, 5]]


def test_closure_rate_by_hand():
    scores = torch.tensor([[-torch.inf, 5.0, 4.0, 3.0, 2.0, 1.0]])
    for items, rate in (([1, 2, 3], 1.0), ([1, 3, 0], 0.5), ([4, 5, 0], 0.0), ([1, 2, 5], 2 / 3)):
        assert closure.closure_rate(scores, torch.tensor([items])).item() == pytest.approx(rate)


def test_ndcg_by_hand():
    scores = torch.tensor([[-torch.inf, 5.0, 4.0, 3.0, 2.0, 1.0]])
    row, item = torch.tensor([0, 0]), torch.tensor([2, 5])
    expected = (1 / math.log2(3)) / (1 + 1 / math.log2(3))
    assert closure.ndcg(scores, row, item, 3).item() == pytest.approx(expected)


@given(st.integers(0, 1000))
def test_contains_is_membership(seed):
    generator = torch.Generator().manual_seed(seed)
    rows, queries = (torch.randint(0, 12, (3, size), generator=generator) for size in (5, 7))
    expected = (queries.unsqueeze(2) == rows.unsqueeze(1)).any(2)
    assert torch.equal(contains(rows, queries), expected)
