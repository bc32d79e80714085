"""DLLM2Rec's ranking term: a teacher's top items as positives, each by how much it is to be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.recbole import Dataset, Interaction
from recbole_kd.distillers.base import Distiller, Teacher
from recbole_kd.foundation.settings import Count, NonNegative, Positive, Settings
from recbole_kd.ops.membership import contains
from recbole_kd.scoring.ranking import score_blocks
from recbole_kd.scoring.scores import Scores


class DLLM2RecSettings(Settings):
    """Hyperparameters of DLLM2Rec; ``properties/model/DLLM2Rec.yaml`` explains each."""

    kd_weight: NonNegative
    kd_topk: Count
    kd_position: NonNegative
    kd_confidence: NonNegative
    kd_consistency: NonNegative
    kd_rank_scale: Positive
    kd_temperature: Positive
    mask_train_positives: bool


class DLLM2RecDistiller(Distiller[DLLM2RecSettings]):
    """Importance-aware ranking distillation (Cui et al., RecSys 2024): ``λ · mean_u Σ_k −w_k log σ(s_{u, i_k})``.

    ``i_k`` is the teacher's k-th item, and ``w_k = γ1 e^{−k/ρ} + γ2 e^{−d_k} + γ3 [i_k in the student's top K]``. The
    paper's teacher is a language model, whose distance d is that of what it wrote to the item; of any other teacher it
    is how far an item's score is below its best one, over ``kd_temperature``. Its alignment of embeddings is not here.
    """

    settings_class = DLLM2RecSettings

    def __init__(self, config: KDConfig, dataset: Dataset, teachers: Sequence[Teacher]) -> None:
        super().__init__(config, dataset, teachers)
        settings, self._users = self.settings, self.states.seen.filled()
        self._topk = min(settings.kd_topk, dataset.item_num - 1)
        self._items = torch.zeros(len(self.states), self._topk, dtype=torch.int32)
        self._trust = torch.zeros(len(self.states), self._topk)  # what does not change
        self._agreed = torch.zeros(len(self.states), self._topk, dtype=torch.bool)
        if settings.kd_weight:
            items, scores = teachers[0].scores.topk(self._users, self._topk)
            self._items[self._users] = items.int()
            self._trust[self._users] = trust(settings, items, scores)

    @torch.no_grad()
    def begin_epoch(self, student: Scores, epoch: int) -> None:
        """Find out which of the teacher's items are in the student's top K."""
        if not self.settings.kd_weight:
            return
        shares = []
        for block in score_blocks(student, self._users):
            if self.settings.mask_train_positives:
                block.hide(self.states.seen)
            users = block.states.cpu()
            agreed = contains(block.best(self._topk).cpu(), self._items[users].long())
            self._agreed[users] = agreed
            shares.append(agreed.float().mean(dim=1))
        self.diagnostics = {"overlap": torch.cat(shares).mean().item()}

    def forward(self, student: Scores, batch: Interaction) -> dict[str, Tensor]:
        """Return ``{"ranking"}`` times its weight, or nothing if that is zero."""
        settings = self.settings
        if not settings.kd_weight:
            return {}
        states = self.states.in_batch(batch)
        if not len(states):  # of a batch of windows of which none is a user's last
            return {"ranking": torch.zeros((), device=student.device)}
        rows = states.cpu()
        weights = self._trust[rows] + settings.kd_consistency * self._agreed[rows]
        items = self._items[rows].long()
        weights = weights.masked_fill(items == 0, 0).to(states.device)
        losses = -F.logsigmoid(student.score(states, items.to(states.device)))
        return {"ranking": settings.kd_weight * (weights * losses).sum(dim=1).mean()}


def trust(settings: DLLM2RecSettings, items: Tensor, scores: Tensor) -> Tensor:
    """``γ1 e^{−k/ρ} + γ2 e^{−d_k}`` of the teacher's items (n, K), best first, with their scores; 0 of no item."""
    ranks = torch.arange(1, items.shape[1] + 1, device=items.device)
    distance = (scores[:, :1] - scores) / settings.kd_temperature
    found = settings.kd_position * torch.exp(-ranks / settings.kd_rank_scale)
    return (found + settings.kd_confidence * torch.exp(-distance)).masked_fill(items == 0, 0)


DISTILLER = DLLM2RecDistiller
