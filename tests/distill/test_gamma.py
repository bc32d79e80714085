import math

import pytest
import torch

from recbole_kd.distill.gamma import GammaSettings, gamma
from recbole_kd.distill.losses import rce_fusion

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


def test_the_default_is_the_fusion_of_the_paper():
    l1, l2 = torch.rand(3), torch.rand(3)
    weight = gamma(GammaSettings(**PAPER), OVERLAP, 0)
    assert torch.allclose(torch.lerp(l1, l2, weight), rce_fusion(l1, l2, OVERLAP, 3.0))
