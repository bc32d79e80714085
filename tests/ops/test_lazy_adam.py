import copy

import pytest
import torch
from torch import nn

from recbole_kd.ops.lazy_adam import LazyAdam

LR, BETAS, EPS = 0.05, (0.8, 0.95), 1e-6
BATCHES = [[0, 2, 2], [1], [0, 3], [2, 0], [3], [0]]


def by_hand(table: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Row by row, each with a loop over the steps that passed it by."""
    table = table.clone().double()
    first, second, last = torch.zeros_like(table), torch.zeros_like(table), [0] * len(table)
    for step, batch in enumerate(BATCHES, 1):
        gradient = {row: torch.zeros(table.shape[1], dtype=torch.float64) for row in batch}
        for row in batch:
            gradient[row] += 2 * (table[row] - targets[row])
        for row, value in gradient.items():
            for _ in range(step - last[row]):
                first[row] *= BETAS[0]
                second[row] *= BETAS[1]
            last[row] = step
            first[row] += (1 - BETAS[0]) * value
            second[row] += (1 - BETAS[1]) * value**2
            corrected = first[row] / (1 - BETAS[0] ** step), second[row] / (1 - BETAS[1] ** step)
            table[row] -= LR * corrected[0] / (corrected[1].sqrt() + EPS)
    return table


def train(table: nn.Embedding, optimizer: torch.optim.Optimizer, targets: torch.Tensor) -> None:
    for batch in BATCHES:
        optimizer.zero_grad()
        ids = torch.tensor(batch)
        (table(ids) - targets[ids]).pow(2).sum().backward()
        optimizer.step()


def made(sparse: bool) -> tuple[nn.Embedding, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Embedding(4, 3, sparse=sparse), torch.randn(4, 3)


def test_rows_move_as_by_hand():
    table, targets = made(sparse=True)
    expected = by_hand(table.weight.detach(), targets)
    train(table, LazyAdam(table.parameters(), LR, BETAS, EPS), targets)
    torch.testing.assert_close(table.weight.detach().double(), expected, rtol=1e-5, atol=1e-6)


def test_gradients_of_all_rows_give_adams_own_steps():
    (ours, targets), (theirs, _) = made(sparse=False), made(sparse=False)
    train(ours, LazyAdam(ours.parameters(), LR, BETAS, EPS), targets)
    train(theirs, torch.optim.Adam(theirs.parameters(), LR, BETAS, EPS), targets)
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_a_row_that_no_batch_reads_stays():
    table, _ = made(sparse=True)
    before = table.weight.detach().clone()
    optimizer = LazyAdam(table.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        table(torch.tensor([1])).sum().backward()
        optimizer.step()
    moved = (table.weight.detach() != before).any(dim=1)
    assert moved.tolist() == [False, True, False, False]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_other_shapes_and_closures(shape):
    value = nn.Parameter(torch.full(shape, 2.0))
    other = nn.Parameter(torch.full(shape, 2.0))
    ours, theirs = LazyAdam([value], 0.1), torch.optim.Adam([other], 0.1)
    for _ in range(3):
        for parameter, optimizer in ((value, ours), (other, theirs)):

            def closure(parameter=parameter):
                parameter.grad = None
                loss = parameter.pow(2).sum()
                loss.backward()
                return loss

            optimizer.step(closure)
    torch.testing.assert_close(value, other)


def test_its_state_is_taken_up_from_a_state_dict():
    table, targets = made(sparse=True)
    optimizer = LazyAdam(table.parameters(), LR)
    train(table, optimizer, targets)
    again, _ = made(sparse=True)
    again.load_state_dict(table.state_dict())
    other = LazyAdam(again.parameters(), LR)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for one, module in ((optimizer, table), (other, again)):
        train(module, one, targets)
    assert torch.equal(table.weight, again.weight)
