"""Losses as pure functions of tensors. Each returns the mean over the batch, a scalar, or a value a row.

Gradients flow into every argument, the teacher's too (that is how prompts are tuned); detach what must not learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_kd.ops.margins import pair_margins


class Batch(NamedTuple):
    """Ids of a training batch, each (B,)."""

    user: Tensor
    positive: Tensor
    negative: Tensor


def _bernoulli_kl(student_margin: Tensor, teacher_margin: Tensor) -> Tensor:
    """``KL(Bern(σ(teacher)) ‖ Bern(σ(student)))`` element by element, stable for margins of any size."""
    p = torch.sigmoid(teacher_margin)
    positive = F.logsigmoid(teacher_margin) - F.logsigmoid(student_margin)
    negative = F.logsigmoid(-teacher_margin) - F.logsigmoid(-student_margin)
    return p * positive + torch.sigmoid(-teacher_margin) * negative


def pairwise_kl(student_margin: Tensor, teacher_margin: Tensor, temperature: float = 1.0) -> Tensor:
    """Agreement on "the positive ranks above the negative" (PromptMM, eq. 5, as the KL that its text describes).

    ``KL( Bern(σ(Δ^T/τ)) ‖ Bern(σ(Δ^S/τ)) )``, zero iff the margins agree.

    Args:
        student_margin: ``s(u,i⁺) − s(u,i⁻)`` of the student, (B,).
        teacher_margin: the teacher's, (B,).
        temperature: τ > 0.
    """
    return _bernoulli_kl(student_margin / temperature, teacher_margin / temperature).mean()


def disentangled_kl(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float = 1.0,
    alpha: float = 1.0,
    beta: float | None = None,
) -> Tensor:
    """List-wise KL split into "positive against the rest" and "order within the rest" (PromptMM, eqs. 6–10).

    ``α KL(b^T‖b^S) + β KL(q^T‖q^S)`` with ``b`` the two-way split {positive, all negatives} and ``q`` the softmax
    among the negatives. With ``α = 1`` and the paper's ``β = 1 − b⁺^T`` it equals the plain list-wise KL.

    Args:
        student_logits: (B, K), column 0 the positive, K ≥ 2.
        teacher_logits: (B, K), the same items.
        temperature: τ > 0, divides both.
        alpha: weight of the two-way term.
        beta: weight of the term among negatives; ``None`` is the paper's, row by row.
    """
    student, teacher = student_logits / temperature, teacher_logits / temperature
    student_margin = student[:, 0] - student[:, 1:].logsumexp(dim=1)
    teacher_margin = teacher[:, 0] - teacher[:, 1:].logsumexp(dim=1)
    log_q_student = F.log_softmax(student[:, 1:], dim=1)
    log_q_teacher = F.log_softmax(teacher[:, 1:], dim=1)
    among_negatives = (log_q_teacher.exp() * (log_q_teacher - log_q_student)).sum(dim=1)
    weight = torch.sigmoid(-teacher_margin) if beta is None else beta
    return (alpha * _bernoulli_kl(student_margin, teacher_margin) + weight * among_negatives).mean()


def listwise_kl(student_logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0) -> Tensor:
    """``KL(softmax(t/τ) ‖ softmax(s/τ))`` over each row of (B, K) logits: the ablation without disentangling."""
    log_student = F.log_softmax(student_logits / temperature, dim=1)
    log_teacher = F.log_softmax(teacher_logits / temperature, dim=1)
    return (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1).mean()


def set_cross_entropy(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0, mask: Tensor | None = None
) -> Tensor:
    """Cross-entropy of the two softmaxes over each row's item set (RCE-KD, CE_J), (B,).

    ``− Σ_{i∈J} softmax_J(t/τ)_i · log softmax_J(s/τ)_i``, finite for logits of any finite size.

    Args:
        student_logits: (B, n).
        teacher_logits: (B, n), the same items.
        temperature: τ > 0, divides both.
        mask: bool (B, n), True for the items of the set; None means all. An empty set gives 0.
    """
    student, teacher = student_logits / temperature, teacher_logits / temperature
    if mask is not None:
        lowest = torch.finfo(student.dtype).min
        student, teacher = student.masked_fill(~mask, lowest), teacher.masked_fill(~mask, lowest)
    log_q = F.log_softmax(student, dim=1)
    if mask is not None:
        log_q = log_q.masked_fill(~mask, 0)
    return -(teacher.softmax(dim=1) * log_q).sum(dim=1)


def ensemble_kl(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0, weights: Tensor | None = None
) -> Tensor:
    """``τ² KL( Σ_k w_k softmax(t^k/τ) ‖ softmax(s/τ) )``, a mean over rows (MTS²4MM, eqs. 23-25).

    Args:
        student_logits: (B, n).
        teacher_logits: (K, B, n), K teachers' of the same items.
        temperature: τ > 0, inside both softmaxes.
        weights: (K,), of sum 1; None is the plain mean.
    """
    p = (teacher_logits / temperature).softmax(dim=2)
    p = p.mean(dim=0) if weights is None else torch.einsum("k,kbn->bn", weights, p)
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    return temperature**2 * (torch.xlogy(p, p) - p * log_q).sum(dim=1).mean()


def direction_error(student: Tensor, teacher: Tensor) -> Tensor:
    """``mean ‖norm(e^S) − norm(e^T)‖²`` (MTS²4MM, eq. 27): 0 for equal directions, 4 for opposite ones.

    Args:
        student: (B, d).
        teacher: (B, d).
    """
    return (F.normalize(student, dim=1) - F.normalize(teacher, dim=1)).pow(2).sum(dim=1).mean()


def scaled_cosine_error(student: Tensor, teacher: Tensor, gamma: float = 2.0) -> Tensor:
    """``mean (1 − cos(e^S, e^T))^γ`` (PromptMM, eq. 11): 0 for equal directions, 2^γ for opposite ones.

    Args:
        student: (B, d).
        teacher: (B, d).
        gamma: γ ≥ 1; larger values let nearly aligned rows rest.
    """
    error = 1 - F.cosine_similarity(student, teacher, dim=1)
    return error.clamp_min(0).pow(gamma).mean()  # rounding can make 1 − cos negative, whose power is NaN


def info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Contrast each row of ``a`` with its own row of ``b`` against the other rows, by cosine over ``temperature``.

    Args:
        a: (B, d).
        b: (B, d); row i is the positive of ``a``'s row i, all others are its negatives.
        temperature: τ > 0.
    """
    logits = (F.normalize(a, dim=1) / temperature) @ F.normalize(b, dim=1).T
    return F.cross_entropy(logits, torch.arange(len(a), device=a.device))


def bpr(users: Tensor, items: Tensor, batch: Batch) -> Tensor:
    """Bayesian personalised ranking (Rendle et al., UAI 2009): ``mean −log σ(s(u,i⁺) − s(u,i⁻))``.

    Args:
        users: (n_users, d).
        items: (n_items, d).
        batch: ids.
    """
    return -F.logsigmoid(pair_margins(users, items, *batch)).mean()


def squared_norm(users: Tensor, items: Tensor, batch: Batch) -> Tensor:
    """Half the squared L2 of the batch's rows, a mean over the batch; LightGCN's regulariser."""
    rows = F.embedding(batch.user, users), F.embedding(batch.positive, items), F.embedding(batch.negative, items)
    return torch.stack([row.pow(2).sum() for row in rows]).sum() / (2 * len(batch.user))


def squared_norm_of_tables(users: Tensor | None, items: Sequence[Tensor], batch: Batch) -> Tensor:
    """:func:`squared_norm` summed over several tables, from how often the batch reads each row of them.

    Args:
        users: (n_users, d), or None.
        items: tables of (n_items, d) each.
        batch: ids.
    """
    counts = torch.cat([batch.positive, batch.negative]).bincount(minlength=len(items[0]))
    totals = [_CountedSquares.apply(table, counts) for table in items]  # type: ignore[no-untyped-call]
    if users is not None:
        totals.append(_CountedSquares.apply(users, batch.user.bincount(minlength=len(users))))  # type: ignore[no-untyped-call]
    return torch.stack(totals).sum() / (2 * len(batch.user))


class _CountedSquares(torch.autograd.Function):
    """``Σ_i counts_i ‖table_i‖²``, whose gradient is one product and not a row for each that was read."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, counts: Tensor) -> Tensor:
        weighted = table * counts.unsqueeze(1)
        ctx.save_for_backward(weighted)
        return torch.dot(weighted.flatten(), table.flatten())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.saved_tensors[0] * (2 * gradients[0]), None
