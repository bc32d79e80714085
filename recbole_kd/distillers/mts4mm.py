"""MTS²4MM: one teacher a view, trained together with the student that they teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.recbole import Interaction
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.distillers.base import Distiller, Teacher
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Positive, Settings, Share
from recbole_kd.models.multimodal.mts4mm import MTS4MMStudent
from recbole_kd.models.multimodal.views import Encoders, Pair
from recbole_kd.ops.losses import Batch, bpr, direction_error, ensemble_kl
from recbole_kd.scoring.fixed import FixedEmbeddings
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.scoring.scores import Scores


class MTS4MMSettings(Settings):
    """Hyperparameters of the distillation; ``properties/model/MTS4MM.yaml`` explains each."""

    rank_weight: NonNegative
    rank_temperature: Positive
    rank_users: CountOrZero
    emb_weight: NonNegative
    ema: Share
    kd_every: Count
    ensemble_weights: Literal["uniform", "validation", "learned"]


class MTS4MMDistiller(Distiller[MTS4MMSettings]):
    """``L_rec^T + λ_rank L_rank + λ_emb L_emb`` (MTS²4MM, eq. 30), for a student of :class:`MTS4MMStudent`.

    The teachers are encoders like the student's with parameters of their own. Each step trains them on their own views
    and then moves them towards the student's by an exponential moving average. They are gone after training.
    """

    settings_class = MTS4MMSettings
    needs = frozenset()
    renamed: ClassVar[Mapping[str, str]] = {"teachers": "encoders"}
    encoders: Encoders
    validation_shares: Tensor

    def __init__(self, config: KDConfig, dataset: MultiModalDataset, teachers: Sequence[Teacher]) -> None:
        super().__init__(config, dataset, teachers)
        self.keys = dataset.uid_field, dataset.iid_field, config["NEG_PREFIX"] + dataset.iid_field
        with torch.random.fork_rng(devices=[]):  # the student's own draws stay what they are without teachers
            torch.manual_seed(config["seed"])
            twin = MTS4MMStudent(config.for_stage("student", MTS4MMStudent), dataset)
        self.encoders = twin.encoders
        if self.settings.kd_every % twin.settings.modal_every:
            raise UserError(
                f"kd_every={self.settings.kd_every} is no multiple of modal_every={twin.settings.modal_every}: the "
                "teachers teach at steps at which the student's modalities learn"
            )
        learned = self.settings.ensemble_weights == "learned"
        self.log_weights = nn.Parameter(torch.zeros(self.n_teachers)) if learned else None
        self.register_buffer("validation_shares", torch.full((self.n_teachers,), 1 / self.n_teachers))
        self._step = 0
        self._taught = False

    @classmethod
    def check_models(cls, teachers: Sequence[type], student: type) -> None:
        """The student's views are what is taught."""
        if not issubclass(student, MTS4MMStudent):
            raise UserError(
                f"student: MTS4MM teaches MTS4MMStudent, not {student.__name__}; use --model=RCEKD for others"
            )

    @property
    def n_teachers(self) -> int:
        """One for each view."""
        return len(self.encoders.views) + (self.encoders.user_embedding is not None)

    def get_extra_state(self) -> dict[str, Any]:
        """The generator's state, and whether the teachers have taught: the student moves from then on."""
        return {"generator": super().get_extra_state(), "taught": self._taught}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on with the numbers of the run that was cut off."""
        super().set_extra_state(state["generator"])
        self._taught = state["taught"]

    def begin_epoch(self, student: Scores, epoch: int) -> None:
        """Teach at the first step of each epoch."""
        self._step = 0

    def forward(self, student: Scores, batch: Interaction) -> dict[str, Tensor]:
        """Return ``{"teachers", "rank", "emb"}`` without those whose weight is zero; nothing if both are.

        With ``kd_every`` n they are 0 but at the first of n steps of an epoch, where they weigh n times as much:
        teachers learn and teach there, and move towards the student by n averages in one.
        """
        settings = self.settings
        weights = {"rank": settings.rank_weight, "emb": settings.emb_weight}
        if not any(weights.values()):
            return {}
        self._step += 1
        if settings.kd_every > 1 and self._step % settings.kd_every != 1:
            names = ["teachers", *(name for name, weight in weights.items() if weight)]
            return {name: torch.zeros((), device=student.device) for name in names}
        assert isinstance(student, ModelScores)
        model: Any = student.model  # an MTS4MMStudent, as check_models says
        if self._taught:
            self._average(model)
        self._taught = True
        ids = Batch(*(batch[key] for key in self.keys))
        taught: dict[str, Pair] = self.encoders()
        terms = {"teachers": torch.stack([bpr(*pair, ids) for pair in taught.values()]).mean()}
        if self.log_weights is not None:
            terms["teachers"] = terms["teachers"] + self._ensemble_bpr(taught, ids)
        read = model.forward().of(ids)
        if settings.rank_weight:
            chosen = self.sample(torch.arange(len(read.users), device=read.users.device), settings.rank_users)
            logits = F.embedding(chosen, read.user) @ read.item.T
            theirs = _scores(taught, read.users[chosen], read.items)
            terms["rank"] = ensemble_kl(logits, theirs, settings.rank_temperature, self._weights())
        if settings.emb_weight:
            errors = [
                direction_error(read.views[name][1], items.detach()[read.items]) for name, (_, items) in taught.items()
            ]
            terms["emb"] = torch.stack(errors).sum()
        return {name: settings.kd_every * weights.get(name, 1.0) * term for name, term in terms.items()}

    @torch.no_grad()
    def _average(self, student: Any) -> None:
        """``Θ_T ← μ Θ_T + (1 − μ) Θ_S``, after the optimiser's step (section 3.5)."""
        for mine, theirs in zip(self.encoders.parameters(), student.encoders.parameters(), strict=True):
            mine.lerp_(theirs, 1 - self.settings.ema**self.settings.kd_every)

    @torch.no_grad()
    def changing_teachers(self) -> dict[str, nn.Module]:
        """Each view's teacher, by the view's name."""
        if not self.settings.rank_weight and not self.settings.emb_weight:
            return {}
        return {name: FixedEmbeddings(*self.keys[:2], *pair) for name, pair in self.encoders().items()}

    def validated(self, scores: dict[str, float]) -> None:
        """Keep the teachers' shares of what all of them score together, which ``validation`` weighs them by."""
        values = self.validation_shares.new_tensor(list(scores.values()))
        if values.min() >= 0 and values.sum() > 0:
            self.validation_shares.copy_(values / values.sum())

    def _weights(self) -> Tensor | None:
        if self.settings.ensemble_weights == "validation":
            return self.validation_shares
        return None if self.log_weights is None else self.log_weights.detach().softmax(dim=0)

    def _ensemble_bpr(self, taught: dict[str, Pair], ids: Batch) -> Tensor:
        """What the weights of the teachers learn from: BPR of their weighted scores, which get no gradient."""
        assert self.log_weights is not None
        margins = [
            (users.detach()[ids.user] * (items.detach()[ids.positive] - items.detach()[ids.negative])).sum(dim=1)
            for users, items in taught.values()
        ]
        return -F.logsigmoid(self.log_weights.softmax(dim=0) @ torch.stack(margins)).mean()


@torch.no_grad()
def _scores(taught: dict[str, Pair], users: Tensor, items: Tensor) -> Tensor:
    """Every teacher's scores of the same users and items, (K, B, n), in one batched product."""
    of_users = torch.stack([pair[0][users] for pair in taught.values()])
    of_items = torch.stack([pair[1][items] for pair in taught.values()])
    return torch.bmm(of_users, of_items.transpose(1, 2))


DISTILLER = MTS4MMDistiller
