import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.distillers.gamma import GammaSettings, fuse, gamma

PAPER = {
    "kd_beta": 3.0,
    "kd_gamma": "overlap",
    "kd_gamma_value": 0.25,
    "kd_gamma_shape": "exponential",
    "kd_gamma_scope": "user",
    "kd_gamma_epochs": 10,
}
OVERLAP = torch.tensor([0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("values", "epoch", "expected"),
    [
        ({}, 0, [1.0, math.exp(-1.5), math.exp(-3)]),
        ({"kd_gamma_scope": "global"}, 0, [math.exp(-1.5)] * 3),
        ({"kd_gamma_shape": "linear"}, 0, [1.0, 0.5, 0.0]),
        ({"kd_gamma": "fixed"}, 7, [0.25] * 3),
        ({"kd_gamma": "decreasing"}, 5, [math.exp(-1.5)] * 3),
        ({"kd_gamma": "decreasing", "kd_gamma_shape": "linear"}, 4, [0.6] * 3),
        ({"kd_gamma": "increasing", "kd_gamma_shape": "linear"}, 4, [0.4] * 3),
        ({"kd_gamma": "increasing"}, 99, [1 - math.exp(-3)] * 3),
    ],
)
def test_by_hand(values, epoch, expected):
    found = gamma(GammaSettings(**{**PAPER, **values}), OVERLAP, epoch)
    assert found.tolist() == pytest.approx(expected)


class TestFusion:
    def test_by_hand(self):
        l1, l2 = torch.tensor([2.0, 2.0]), torch.tensor([6.0, 6.0])
        weight = math.exp(-1.5)
        fused = fuse(l1, l2, gamma(GammaSettings(**PAPER), torch.tensor([0.0, 0.5]), 0))
        assert fused.tolist() == pytest.approx([6.0, 2 * (1 - weight) + 6 * weight])

    @given(st.floats(0, 1), st.floats(0, 10))
    def test_lies_between_its_two_losses(self, overlap, beta):
        weight = gamma(GammaSettings(**{**PAPER, "kd_beta": beta}), torch.tensor([overlap]), 0)
        assert 1.0 <= fuse(torch.tensor([1.0]), torch.tensor([2.0]), weight).item() <= 2.0

    def test_gradient(self):
        l1, l2 = (torch.rand(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
        weight = torch.rand(3, dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda a, b: fuse(a, b, weight), (l1, l2))
