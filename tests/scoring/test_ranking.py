"""Blocks of scores against a plain sort: hidden items, ties, lists that depend on nobody else."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.ops.ragged import Ragged
from recbole_kd.scoring.ranking import score_blocks
from tests.scoring.made_up import dense, factors

KINDS = pytest.mark.parametrize("kind", [factors, dense])


def plain_sort(scores: torch.Tensor, hidden: list[set[int]], k: int) -> list[list[int]]:
    rows = []
    for row, left_out in zip(scores.tolist(), hidden, strict=True):
        items = sorted(set(range(1, len(row))) - left_out, key=lambda item: (-row[item], item))
        rows.append((items + [0] * k)[:k])
    return rows


@st.composite
def cases(draw):
    n_users, n_items = draw(st.integers(2, 9)), draw(st.integers(3, 12))
    seen = [draw(st.sets(st.integers(1, n_items - 1))) for _ in range(n_users)]
    kept = [draw(st.sets(st.integers(1, n_items - 1), max_size=2)) for _ in range(n_users)]
    return n_users, n_items, seen, kept, draw(st.integers(1, n_items - 1)), draw(st.integers(1, 40))


def ragged(lists: list[set[int]]) -> Ragged:
    return Ragged.from_lists([torch.tensor(sorted(items), dtype=torch.int64) for items in lists])


@KINDS
@given(case=cases(), coarse=st.booleans())
def test_the_best_are_those_of_a_plain_sort(kind, case, coarse):
    n_users, n_items, seen, kept, k, numbers = case
    source = kind(n_users, n_items, coarse=coarse)
    whole = source.score_all(torch.arange(n_users))
    found, alone = [], []
    for block in score_blocks(source, torch.arange(n_users), numbers):
        block.hide(ragged(seen), but=ragged(kept))
        found += block.best(k).tolist()
        items, scores = block.best_alone(k)
        alone += items.tolist()
        own = source.score(block.states, items) if source.factorised else whole[block.states].gather(1, items)
        # a product of another size rounds by the size of its terms, however small their sum
        assert torch.allclose(scores[items > 0], own[items > 0], atol=1e-6)
    hidden = [set(left) - set(stays) for left, stays in zip(seen, kept, strict=True)]
    if coarse or not source.factorised:  # else near ties may round otherwise in a block
        assert found == plain_sort(whole, hidden, k)
    assert [set(row) for row in alone] == [set(row) for row in plain_sort(whole, hidden, k)]


@KINDS
def test_without_anything_hidden_the_padding_is_never_ranked(kind):
    source = kind(5, 7)
    (block,) = score_blocks(source, torch.arange(5))
    assert (block.best(6) > 0).all()
    assert block.finite().all()
    block.scores[3, 2] = torch.nan
    assert block.finite().tolist() == [True, True, True, False, True]


def test_a_list_does_not_depend_on_who_else_asks():
    source = factors(40, 300, width=32)
    together = torch.cat([block.best_alone(10)[1] for block in score_blocks(source, torch.arange(40))])
    for user in range(40):
        (block,) = score_blocks(source, torch.tensor([user]))
        assert torch.equal(block.best_alone(10)[1][0], together[user])


def test_nobody_has_no_block():
    assert list(score_blocks(factors(5, 7), torch.zeros(0, dtype=torch.int64))) == []


def test_topk_of_a_model_leaves_out_what_was_seen():
    source = factors(6, 9)
    source._seen = ragged([set(), {1, 2, 3, 4, 5, 6, 7}, set(), {8}, set(), set()])
    items, scores = source.topk(torch.tensor([1, 3]), 4)
    assert items[0].tolist() == [8, 0, 0, 0]
    assert scores[0, 1:].tolist() == [-torch.inf] * 3
    assert 8 not in items[1].tolist()
    assert torch.equal(scores[1], source.score(torch.tensor([3]), items[1:])[0].detach())
