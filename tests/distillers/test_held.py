"""A gradient that several steps use."""

import torch

from recbole_kd.distillers.held import hold


def test_gives_the_gradients_of_the_step_that_it_was_made_in():
    random = torch.Generator().manual_seed(0)
    tables = [torch.randn(n, 3, generator=random, requires_grad=True) for n in (4, 5)]
    target = torch.randn(4, 5, generator=random)

    def loss(users, items):
        return (users @ items.T - target).square().mean()

    now = loss(*tables)
    expected = torch.autograd.grad(now, tables)
    held = hold((tables[0] * 1.0, tables[1]), loss)
    assert not any(part.requires_grad for part in held)
    with torch.no_grad():
        for table in tables:
            table += 1
    again = held.apply((tables[0] * 1.0, tables[1]))
    assert torch.equal(again, now.detach())
    for mine, theirs in zip(torch.autograd.grad(2 * again, tables), expected, strict=True):
        torch.testing.assert_close(mine, 2 * theirs)
