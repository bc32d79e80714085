"""The weight γ between RCE-KD's two losses, and the schedules that its paper compares (tables 8-10)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from recbole_kd.foundation.settings import Count, NonNegative, Settings, Share


class GammaSettings(Settings):
    """How γ is set; the defaults of ``properties/model/RCEKD.yaml`` are the paper's method."""

    kd_beta: NonNegative
    kd_gamma: Literal["overlap", "fixed", "increasing", "decreasing"]
    kd_gamma_value: Share
    kd_gamma_shape: Literal["exponential", "linear"]
    kd_gamma_scope: Literal["user", "global"]
    kd_gamma_epochs: Count


def gamma(settings: GammaSettings, overlap: Tensor, epoch: int) -> Tensor:
    """γ of each user, (B,) in [0, 1].

    ``overlap`` lets γ fall with the share of the teacher's top items that the student has already, of each user or
    (``global``) of the mean user; ``decreasing`` lets it fall, ``increasing`` rise, over ``kd_gamma_epochs`` epochs.

    Args:
        settings: the schedule.
        overlap: ``|A1| / K``, (B,).
        epoch: from 0.
    """
    if settings.kd_gamma == "fixed":
        return torch.full_like(overlap, settings.kd_gamma_value)
    if settings.kd_gamma != "overlap":
        overlap = torch.full_like(overlap, min(epoch / settings.kd_gamma_epochs, 1.0))
    elif settings.kd_gamma_scope == "global":
        overlap = overlap.mean().expand_as(overlap)
    falling = 1 - overlap if settings.kd_gamma_shape == "linear" else torch.exp(-settings.kd_beta * overlap)
    return 1 - falling if settings.kd_gamma == "increasing" else falling


def fuse(l1: Tensor, l2: Tensor, gamma: Tensor) -> Tensor:
    """``(1 − γ) L1 + γ L2`` (RCE-KD), (B,).

    Args:
        l1: loss on the student's own top items, (B,).
        l2: loss on the teacher's top items that the student misses, closed by sampled ones, (B,).
        gamma: (B,) in [0, 1]; 1 trusts L2 alone.
    """
    return (1 - gamma) * l1 + gamma * l2
