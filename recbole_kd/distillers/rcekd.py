"""RCE-KD: cross-entropy on the student's own top items, and on the teacher's that it misses, made nearly closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.recbole import Dataset, Interaction
from recbole_kd.data.interactions import positives_of
from recbole_kd.distillers import closure
from recbole_kd.distillers.base import Distiller, Teacher
from recbole_kd.distillers.gamma import GammaSettings, fuse, gamma
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Positive
from recbole_kd.ops.blocks import blocks
from recbole_kd.ops.losses import set_cross_entropy
from recbole_kd.ops.membership import contains, ranks_of
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
    kd_diagnostics: bool
    mask_train_positives: bool


class _Sets(NamedTuple):
    """What an epoch teaches, a row a user: K + (K + L) items [Q^S | Q^T | R], and those that the two losses read."""

    items: Tensor
    teacher: Tensor
    chosen: Tensor
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
        self.user_field = dataset.uid_field
        self._positives = positives_of(dataset)
        self._users = self._positives.filled()
        masks = getattr(self._teacher, "masks_train_positives", settings.mask_train_positives)
        if masks != settings.mask_train_positives:
            raise UserError(
                f"mask_train_positives={settings.mask_train_positives}, but the teacher's cache was built with the "
                "opposite; build it again or set the same"
            )
        self._topk = min(settings.kd_topk, dataset.item_num - 1)
        self._of_teacher = torch.zeros(dataset.user_num, self._topk, dtype=torch.int64)
        self._teacher_scores = torch.zeros(dataset.user_num, self._topk)
        if settings.kd_weight:
            best, scores = self._teacher.topk(self._users, self._topk)
            self._of_teacher[self._users], self._teacher_scores[self._users] = best, scores.masked_fill(best == 0, 0)
        self._sets: _Sets | None = None
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
        self._epoch, self._step, settings = epoch, 0, self.settings
        self.diagnostics = {}
        if not settings.kd_weight or settings.kd_variant == "full_ce":
            return
        if self._sets is not None and epoch % settings.kd_renew:
            return
        sets: _Sets | None = None
        measured: dict[str, list[Tensor]] = {}
        for block in score_blocks(student, self._users):
            parts, values = self._renew(block)
            sets = sets or _Sets(*(part.new_zeros(len(self._of_teacher), *part.shape[1:]) for part in parts))
            for whole, part in zip(sets, parts, strict=True):
                whole[block.states] = part
            for name, value in values.items():
                measured.setdefault(name, []).append(value)
        self._sets = sets
        self.diagnostics = {name: torch.cat(found).float().mean(dim=0).tolist() for name, found in measured.items()}

    def forward(self, student: Scores, batch: Interaction) -> dict[str, Tensor]:
        """Return ``{"rce"}`` times its weight, or nothing if that is zero.

        With ``kd_every`` n it is 0 but at each n-th step of an epoch, where it weighs n times as much.
        """
        settings = self.settings
        if not settings.kd_weight:
            return {}
        self._step += 1
        if self._step % settings.kd_every:
            return {"rce": torch.zeros((), device=student.device)}
        weight = settings.kd_weight * settings.kd_every
        users = self.sample(batch[self.user_field].unique(), settings.kd_users)
        if settings.kd_variant == "full_ce":
            losses = [
                checkpoint(self._over_all_items, student, part, use_reentrant=False)
                for part in blocks(users, student.n_items)
            ]
            return {"rce": weight * torch.cat(losses).mean()}
        assert self._sets is not None
        items, teacher, chosen, overlap = (part[users] for part in self._sets)
        halves = (part.tensor_split([self._topk], dim=1) for part in (student.score(users, items), teacher, chosen))
        l1, l2 = (
            set_cross_entropy(mine, theirs, settings.kd_temperature, mask)
            for mine, theirs, mask in zip(*halves, strict=True)
        )
        if settings.kd_variant == "no_teacher":
            loss = l1
        elif settings.kd_variant != "full":
            loss = l2
        else:
            loss = fuse(l1, l2, gamma(settings, overlap, self._epoch))
        return {"rce": weight * loss.mean()}

    def _renew(self, block: Block) -> tuple[_Sets, dict[str, Tensor]]:
        """The sets of a block of users, and what the log tells of them."""
        settings, users, scores = self.settings, block.states, block.scores
        scores[:, 0] = -torch.inf
        row, item = self._positives.rows(users)
        values = {"train_ndcg@10": closure.ndcg(scores, row, item, 10)} if settings.kd_diagnostics else {}
        if settings.mask_train_positives:
            scores[row, item] = -torch.inf
        best = scores.topk(self._topk, dim=1)
        of_student = best.indices.masked_fill(best.values == -torch.inf, 0)
        of_teacher = self._of_teacher[users.cpu()].to(users.device)
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
        items = torch.cat([of_student, of_teacher, drawn], dim=1)
        fresh = self._teacher.score(users, torch.cat([of_student, drawn], dim=1))
        known = self._teacher_scores[users.cpu()].to(users.device)
        teacher = torch.cat([fresh[:, : self._topk], known, fresh[:, self._topk :]], dim=1)
        second = {
            "no_sep": [of_teacher != 0, (drawn != 0) & ~contains(of_teacher, drawn)],
            "no_student": [of_teacher != 0, torch.zeros_like(drawn, dtype=torch.bool)],
        }.get(settings.kd_variant, [missed != 0, drawn != 0])
        return _Sets(items, teacher, torch.cat([of_student != 0, *second], dim=1), overlap), values

    def _over_all_items(self, student: Scores, users: Tensor) -> Tensor:
        """Cross-entropy over the whole catalogue, (B,)."""
        logits = student.score_all(users)
        ranked = torch.ones_like(logits, dtype=torch.bool)
        ranked[:, 0] = False
        if self.settings.mask_train_positives:
            ranked[self._positives.rows(users)] = False
        return set_cross_entropy(logits, self._teacher.score_all(users), self.settings.kd_temperature, ranked)


DISTILLER = RCEKDDistiller
