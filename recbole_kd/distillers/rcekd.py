"""RCE-KD: cross-entropy on the student's own top items, and on the teacher's that it misses, made nearly closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.recbole import Dataset, Interaction
from recbole_kd.distillers import closure
from recbole_kd.distillers.base import Distiller, Teacher
from recbole_kd.distillers.gamma import GammaSettings, fuse, gamma
from recbole_kd.distillers.held import Held, hold
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Positive
from recbole_kd.ops.blocks import blocks
from recbole_kd.ops.losses import set_cross_entropy
from recbole_kd.ops.membership import contains, ranks_of
from recbole_kd.ops.pair_scores import dot_scores
from recbole_kd.ops.soft_targets import soft_cross_entropy, soft_targets
from recbole_kd.ops.top_scores import best_columns
from recbole_kd.scoring.ranking import Block, score_blocks
from recbole_kd.scoring.scores import Scores


class RCEKDSettings(GammaSettings):
    """Hyperparameters of RCE-KD; ``properties/model/RCEKD.yaml`` explains each."""

    kd_weight: NonNegative
    kd_temperature: Positive
    kd_topk: Count
    kd_samples: Count
    kd_variant: Literal["full", "no_sep", "no_student", "no_teacher", "full_ce"]
    kd_candidates: Literal["all", "top"]
    kd_max_rank: Count
    kd_sample_temperature: Positive
    kd_count_cap: Count
    kd_overlap: Literal["teacher", "sampled"]
    kd_users: CountOrZero
    kd_every: Count
    kd_renew: Count
    kd_hold: Count
    kd_diagnostics: bool
    mask_train_positives: bool


class _Sets(NamedTuple):
    """What an epoch teaches, a row a user: the sets that the variant's losses read, one beside the other.

    ``items`` int32, 0 where there is none; ``targets``, the teacher's probability of each within its set; ``overlap``,
    the share of the teacher's top items that the student has already, (n_users,).
    """

    items: Tensor
    targets: Tensor
    overlap: Tensor


class RCEKDDistiller(Distiller[RCEKDSettings]):
    """Rejuvenated cross-entropy (RCE-KD): ``λ · mean_u [(1 − γ_u) L1 + γ_u L2]``.

    ``L1`` is the cross-entropy on Q^S, the student's top-K; ``L2`` that on ``A2 ∪ R``, the teacher's top-K that the
    student misses with a sample that nearly closes it. The sets are renewed at the start of each epoch.
    """

    settings_class = RCEKDSettings

    def __init__(self, config: KDConfig, dataset: Dataset, teachers: Sequence[Teacher]) -> None:
        super().__init__(config, dataset, teachers)
        settings, self._teacher = self.settings, teachers[0].scores
        self._positives = self.states.seen
        self._users = self._positives.filled()
        masks = getattr(self._teacher, "masks_train_positives", settings.mask_train_positives)
        if masks != settings.mask_train_positives:
            raise UserError(
                f"mask_train_positives={settings.mask_train_positives}, but the teacher's cache was built with the "
                "opposite; build it again or set the same"
            )
        self._topk = min(settings.kd_topk, dataset.item_num - 1)
        self._of_teacher = torch.zeros(len(self.states), self._topk, dtype=torch.int32)
        self._teacher_scores = torch.zeros(len(self.states), self._topk)
        if settings.kd_weight:
            best, scores = self._teacher.topk(self._users, self._topk)
            self._of_teacher[self._users] = best.int()
            self._teacher_scores[self._users] = scores.masked_fill(best == 0, 0)
        self._sets: _Sets | None = None
        self._held: Held | None = None
        self._epoch = self._step = 0

    def get_extra_state(self) -> dict[str, Any]:
        """The generator's state, and the sets where they last longer than an epoch."""
        sets = self._sets if self.settings.kd_renew > 1 else None
        return {"generator": super().get_extra_state(), "sets": sets and list(sets)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on with the numbers and the sets of the run that was cut off."""
        super().set_extra_state(state["generator"])
        self._sets = state["sets"] and _Sets(*state["sets"])

    @torch.no_grad()
    def begin_epoch(self, student: Scores, epoch: int) -> None:
        """Renew Q^S, A2, R and the overlaps from the student's scores, block by block of users."""
        self._epoch, self._step, self._held, settings = epoch, 0, None, self.settings
        self.diagnostics = {}
        if not settings.kd_weight or settings.kd_variant == "full_ce":
            return
        if self._sets is not None:
            self._sets = _Sets(*(part.to(student.device) for part in self._sets))  # a snapshot's lie on the CPU
            if epoch % settings.kd_renew:
                return
        measured: dict[str, list[Tensor]] = {}
        for block in score_blocks(student, self._users):
            parts, values = self._renew(block)
            if self._sets is None:
                self._sets = _Sets(*(part.new_zeros(len(self._of_teacher), *part.shape[1:]) for part in parts))
            for whole, part in zip(self._sets, parts, strict=True):
                whole[block.states] = part
            for name, value in values.items():
                measured.setdefault(name, []).append(value)
        self.diagnostics = {name: torch.cat(found).float().mean(dim=0).tolist() for name, found in measured.items()}

    def forward(self, student: Scores, batch: Interaction) -> dict[str, Tensor]:
        """Return ``{"rce"}`` times its weight, or nothing if that is zero.

        With ``kd_every`` n it is 0 but at each n-th step of an epoch, where it weighs n times as much. With ``kd_hold``
        n the gradients at one step's users are those of the next n - 1 steps too, if the student has embeddings.
        """
        settings = self.settings
        if not settings.kd_weight:
            return {}
        self._step += 1
        if self._step % settings.kd_every:
            return {"rce": torch.zeros((), device=student.device)}
        weight = settings.kd_weight * settings.kd_every
        if settings.kd_variant == "full_ce" or settings.kd_hold == 1 or not (student.factorised and student.tabled):
            users = self._users_of(batch)
            if not len(users):  # of a batch of windows of which none is a user's last
                return {"rce": torch.zeros((), device=student.device)}
            if settings.kd_variant == "full_ce":
                return {"rce": weight * self._full_cross_entropy(student, users).mean()}
            return {"rce": weight * self._loss(student.score, users)}
        embeddings = student.embeddings()
        if self._held is None or (self._step // settings.kd_every - 1) % settings.kd_hold == 0:
            users = self._users_of(batch)
            self._held = hold(embeddings, lambda *leaves: weight * self._loss(partial(dot_scores, *leaves), users))
        return {"rce": self._held.apply(embeddings)}

    def _users_of(self, batch: Interaction) -> Tensor:
        """Those of a batch that the loss reads."""
        return self.sample(self.states.in_batch(batch), self.settings.kd_users)

    def _loss(self, score: Callable[[Tensor, Tensor], Tensor], users: Tensor) -> Tensor:
        """The mean over ``users`` (B,) of the loss on their sets, which ``score(users, items)`` scores."""
        assert self._sets is not None
        settings = self.settings
        items, targets, overlap = (part[users] for part in self._sets)
        items = items.long()
        cut = self._topk if settings.kd_variant == "full" else 0
        halves = (part.tensor_split([cut], dim=1) for part in (score(users, items), targets, items != 0))
        l1, l2 = (
            soft_cross_entropy(mine, theirs, mask, settings.kd_temperature)
            for mine, theirs, mask in zip(*halves, strict=True)
        )
        return (fuse(l1, l2, gamma(settings, overlap, self._epoch)) if cut else l2).mean()

    def _renew(self, block: Block) -> tuple[_Sets, dict[str, Tensor]]:
        """The sets of a block of users, and what the log tells of them."""
        settings, users, scores = self.settings, block.states, block.scores
        scores[:, 0] = -torch.inf
        row, item = self._positives.rows(users)
        values = {"train_ndcg@10": closure.ndcg(scores, row, item, 10)} if settings.kd_diagnostics else {}
        if settings.mask_train_positives:
            scores[row, item] = -torch.inf
        best, of_student = best_columns(scores, self._topk)
        of_student = of_student.masked_fill(best == -torch.inf, 0)
        of_teacher, known = (part[users.cpu()].to(users.device) for part in (self._of_teacher, self._teacher_scores))
        of_teacher = of_teacher.long()
        missed = of_teacher.masked_fill(contains(of_student, of_teacher), 0)
        drawn = closure.draw_closing(
            scores,
            missed,
            settings.kd_samples,
            settings.kd_sample_temperature,
            settings.kd_count_cap,
            self.generator,
            settings.kd_max_rank if settings.kd_candidates == "top" else None,
        )
        found = of_teacher != missed if settings.kd_overlap == "teacher" else contains(drawn, of_teacher)
        overlap = (found & (of_teacher != 0)).float().mean(dim=1)
        values["overlap"] = overlap
        if settings.kd_diagnostics:
            values["closure"] = closure.closure_rate(scores, torch.cat([missed, drawn], dim=1))
            values["student_rank"] = ranks_of(scores, of_teacher)
        score = partial(self._teacher.score, users)
        if settings.kd_variant == "no_teacher":
            sets = [self._taught(of_student, score(of_student))]
        elif settings.kd_variant == "no_student":
            sets = [self._taught(of_teacher, known)]
        elif settings.kd_variant == "no_sep":
            drawn = drawn.masked_fill(contains(of_teacher, drawn), 0)
            sets = [self._taught(torch.cat([of_teacher, drawn], dim=1), torch.cat([known, score(drawn)], dim=1))]
        else:
            fresh = score(torch.cat([of_student, drawn], dim=1)).tensor_split([self._topk], dim=1)
            second = self._taught(torch.cat([missed, drawn], dim=1), torch.cat([known, fresh[1]], dim=1))
            sets = [self._taught(of_student, fresh[0]), second]
        items, targets = (torch.cat(parts, dim=1) for parts in zip(*sets, strict=True))
        return _Sets(items, targets, overlap), values

    def _taught(self, items: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """A set as it is kept: its items, and the teacher's probabilities from its scores of them."""
        return items.int(), soft_targets(scores, items != 0, self.settings.kd_temperature)

    def _full_cross_entropy(self, student: Scores, users: Tensor) -> Tensor:
        """Cross-entropy over the whole catalogue, (B,); the logits of embeddings are made anew in the backward pass."""
        places = blocks(torch.arange(len(users), device=users.device), student.n_items)
        if not student.factorised:
            return torch.cat([self._over_all_items(student.score_all(users[part]), users[part]) for part in places])
        vectors, table = student.encoded(users)

        def loss(some: Tensor, part: Tensor) -> Tensor:
            return self._over_all_items(some @ table.T, users[part])

        return torch.cat([checkpoint(loss, vectors[part], part, use_reentrant=False) for part in places])

    def _over_all_items(self, logits: Tensor, users: Tensor) -> Tensor:
        """Cross-entropy of logits (B, n_items), (B,)."""
        ranked = torch.ones_like(logits, dtype=torch.bool)
        ranked[:, 0] = False
        if self.settings.mask_train_positives:
            ranked[self._positives.rows(users)] = False
        return set_cross_entropy(logits, self._teacher.score_all(users), self.settings.kd_temperature, ranked)


DISTILLER = RCEKDDistiller
