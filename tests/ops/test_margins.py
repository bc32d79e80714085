import pytest
import torch
from torch import nn

from recbole_kd.ops.margins import pair_margins
from recbole_kd.ops.row_gradients import ask_for_rows

IDS = torch.tensor([[0, 2, 2, 1], [3, 1, 1, 0], [2, 2, 4, 0]])  # users, positives, negatives, some of them twice


def by_lookups(users, items, user, positive, negative):
    return (users[user] * items[positive]).sum(dim=1) - (users[user] * items[negative]).sum(dim=1)


def tables(dtype=torch.float32) -> tuple[nn.Embedding, nn.Embedding]:
    torch.manual_seed(0)
    return nn.Embedding(3, 4, dtype=dtype), nn.Embedding(5, 4, dtype=dtype)


def test_margins_and_their_gradients_are_those_of_lookups():
    one, other = [table.weight for table in tables()], [table.weight for table in tables()]
    ours, theirs = pair_margins(*one, *IDS), by_lookups(*other, *IDS)
    torch.testing.assert_close(ours, theirs)
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0])
    (ours @ weights).backward()
    (theirs @ weights).backward()
    for mine, expected in zip(one, other, strict=True):
        torch.testing.assert_close(mine.grad, expected.grad)


def test_gradients_by_finite_differences():
    weights = [table.weight for table in tables(torch.float64)]
    assert torch.autograd.gradcheck(lambda users, items: pair_margins(users, items, *IDS), weights)


@pytest.mark.parametrize("side", [0, 1])
def test_a_table_that_asks_for_rows_gets_them_alone_and_they_are_the_same(side):
    whole, rows = tables(), tables()
    ask_for_rows(rows[side])
    for pair in (whole, rows):
        pair_margins(*(table.weight for table in pair), *IDS).pow(2).sum().backward()
    gradient = rows[side].weight.grad
    assert gradient.is_sparse
    assert gradient._indices().shape[1] == [4, 8][side]  # the rows that were read, and no others
    torch.testing.assert_close(gradient.to_dense(), whole[side].weight.grad)
    assert not rows[1 - side].weight.grad.is_sparse
