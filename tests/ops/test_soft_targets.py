"""The targets' cross-entropy against the definition with both softmaxes, gradients included."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.ops.losses import set_cross_entropy
from recbole_kd.ops.soft_targets import soft_cross_entropy, soft_targets


def case(seed, n=6):
    random = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(4, n, generator=random, dtype=torch.double) * 5 for _ in range(2))
    mask = torch.rand(4, n, generator=random) < 0.6
    mask[0] = False
    return student.requires_grad_(), teacher, mask


@given(st.integers(0, 1000), st.sampled_from([0.5, 1.0, 10.0]))
def test_equals_the_cross_entropy_of_two_softmaxes(seed, temperature):
    student, teacher, mask = case(seed)
    found = soft_cross_entropy(student, soft_targets(teacher, mask, temperature), mask, temperature)
    expected = set_cross_entropy(student, teacher, temperature, mask)
    torch.testing.assert_close(found, expected)
    assert found[0] == 0
    weights = torch.arange(1.0, 5, dtype=torch.double)
    gradients = [torch.autograd.grad((loss * weights).sum(), student)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients)
    assert not gradients[0][~mask].any()


def test_gradient_is_that_of_the_function():
    student, teacher, mask = case(3)
    targets = soft_targets(teacher, mask, 2.0)
    assert torch.autograd.gradcheck(lambda logits: soft_cross_entropy(logits, targets, mask, 2.0), student)


@pytest.mark.parametrize("size", [1e30, -1e30, 3e38])
def test_logits_of_any_size_are_finite(size):
    logits = torch.tensor([[size, 0.0, -size, 1.0]])
    mask = torch.tensor([[True, True, True, False]])
    logits.requires_grad_()
    loss = soft_cross_entropy(logits, soft_targets(torch.zeros(1, 4), mask), mask)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    assert not torch.isnan(loss).any()


def test_targets_by_hand():
    found = soft_targets(torch.tensor([[0.0, 2.0, 9.0]]), torch.tensor([[True, True, False]]), 2.0)
    torch.testing.assert_close(found, torch.tensor([[1 / (1 + 2.718281828), 2.718281828 / (1 + 2.718281828), 0.0]]))
