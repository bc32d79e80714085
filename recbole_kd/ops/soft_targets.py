"""Cross-entropy with probabilities that do not change while they are learnt, its gradient by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def soft_targets(logits: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """``softmax_J(t/τ)`` over each row's set J, 0 outside of it, (B, n); all 0 for an empty set.

    Args:
        logits: t, the teacher's, (B, n).
        mask: bool (B, n), True for the items of J.
        temperature: τ > 0.
    """
    lowest = torch.finfo(logits.dtype).min
    return (logits / temperature).masked_fill_(~mask, lowest).softmax(dim=1).masked_fill_(~mask, 0)


class _SoftCrossEntropy(torch.autograd.Function):
    """``∂/∂s_i = (softmax_J(s/τ)_i Σp − p_i) / τ``: a subtraction where autograd would go back through each step."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, mask: Tensor, temperature: float) -> Tensor:
        outside = ~mask
        scaled = logits / temperature
        log_q = scaled.masked_fill_(outside, torch.finfo(logits.dtype).min).log_softmax(dim=1)
        ctx.temperature = temperature
        ctx.save_for_backward(log_q.exp(), targets)
        return -(targets * log_q.masked_fill_(outside, 0)).sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        q, targets = ctx.saved_tensors
        weight = gradients[0].unsqueeze(1) / ctx.temperature
        return torch.addcmul(-targets, q, targets.sum(dim=1, keepdim=True)).mul_(weight), None, None, None


def soft_cross_entropy(logits: Tensor, targets: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """``− Σ_{i∈J} p_i log softmax_J(s/τ)_i`` (RCE-KD, CE_J), (B,); an empty set gives 0.

    The same as :func:`~recbole_kd.ops.losses.set_cross_entropy` of a teacher whose :func:`soft_targets` are p.

    Args:
        logits: s, the student's, (B, n); the one argument that gradients flow into.
        targets: p, (B, n), 0 outside of J, each row's sum 1 (0 for an empty set).
        mask: bool (B, n), True for the items of J.
        temperature: τ > 0.
    """
    found: Tensor = _SoftCrossEntropy.apply(logits, targets, mask, temperature)  # type: ignore[no-untyped-call]
    return found
