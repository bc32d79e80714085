"""PromptMM's second stage: pair, list and embedding distillation while the prompt keeps learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.recbole import Dataset, Interaction
from recbole_kd.data.sampling import NegativeSampler
from recbole_kd.distillers.base import Distiller, Need, Teacher
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Count, NonNegative, Positive, Settings
from recbole_kd.models.multimodal.prompt import Prompt
from recbole_kd.models.multimodal.promptmm import PromptMMTeacher, Views
from recbole_kd.ops.losses import disentangled_kl, listwise_kl, pairwise_kl, scaled_cosine_error
from recbole_kd.scoring.scores import Scores

Term = Literal["pair", "list", "emb"]
Terms = list[Term]
Groups = list[dict[str, Any]]
PairOfTensors = tuple[Tensor, Tensor]
TERMS: tuple[Term, ...] = ("pair", "list", "emb")


# Scoring one item more in a matrix product costs about this part of gathering its embedding, forth and back.
_ROWS_PER_GATHER = 40


class Disentangle(Settings):
    """Weights of the two parts of the list loss; ``beta: null`` is the paper's."""

    alpha: NonNegative = 1.0
    beta: NonNegative | None = None


class PromptMMSettings(Settings):
    """Hyperparameters of stage 2; ``properties/model/PromptMM.yaml`` explains each."""

    pair: NonNegative
    pair_temperature: Positive
    list: NonNegative
    list_temperature: Positive
    list_negatives: Count
    list_source: Literal["modality", "final", "both"]
    disentangle: bool | Disentangle
    emb: NonNegative
    emb_gamma: NonNegative
    emb_scope: Literal["batch", "all"]
    prompt_grad: Terms
    prompt_learning_rate: Positive
    seed: int


class PromptMMDistiller(Distiller[PromptMMSettings]):
    """``λ2 L_Pair + λ3 L_List + λ4 L_Emb`` (PromptMM, eqs. 5–11).

    The teacher is frozen but for its prompt, which learns through the terms named in ``prompt_grad``.
    """

    settings_class = PromptMMSettings
    needs = frozenset({Need.MODEL})
    projections: nn.ModuleDict

    def __init__(self, config: KDConfig, dataset: Dataset, teachers: Sequence[Teacher]) -> None:
        super().__init__(config, dataset, teachers)
        teacher = self.teacher
        settings = self.settings
        self.user_field, self.item_field = dataset.uid_field, dataset.iid_field
        self.negative_field = config["NEG_PREFIX"] + self.item_field
        self._sampler = NegativeSampler(dataset, self.generator) if settings.list else None
        self._frozen = teacher.freeze()
        self._tuned: Prompt | None = None
        if teacher.prompt is not None and any(getattr(settings, term) for term in settings.prompt_grad):
            self._tuned = teacher.prompt.requires_grad_(True)
        self._views = None if self._tuned is not None else self._teacher_views()
        self.projections = self._make_projections(config, teacher)

    @classmethod
    def check_models(cls, teachers: Sequence[type], student: type) -> None:
        """Only PromptMM's own teacher has prompts and modality views."""
        if not issubclass(teachers[0], PromptMMTeacher):
            raise UserError(
                f"teacher: PromptMM distils PromptMMTeacher, not {teachers[0].__name__}; use --model=RCEKD for others"
            )

    @property
    def teacher(self) -> PromptMMTeacher:
        """The one teacher."""
        found: PromptMMTeacher = self.teacher_models[0]  # type: ignore[assignment]
        return found

    def changing_teachers(self) -> dict[str, nn.Module]:
        """The teacher while its prompt is tuned."""
        return {} if self._tuned is None else {"prompted teacher": self.teacher}

    def parameter_groups(self) -> Groups:
        """The prompt at its own learning rate, and the projections at the student's."""
        groups: Groups = []
        if self._tuned is not None:
            groups.append({"params": list(self._tuned.parameters()), "lr": self.settings.prompt_learning_rate})
        if self.projections:
            groups.append({"params": list(self.projections.parameters())})
        return groups

    def forward(self, student: Scores, batch: Interaction) -> dict[str, Tensor]:
        """Return ``{"pair", "list", "emb"}``, each times its weight, without those whose weight is zero."""
        settings = self.settings
        names = [name for name in TERMS if getattr(settings, name)]
        if not names:
            return {}
        if self._tuned is not None:
            self.teacher.forget()
        views = self._views or self.teacher.views(self._frozen)
        loss_of = {"pair": self._pair, "list": self._list, "emb": self._emb}
        terms: dict[str, Tensor] = {}
        for name in names:
            given = views if name in settings.prompt_grad else _detached(views)
            terms[name] = getattr(settings, name) * loss_of[name](student.embeddings(), given, batch)
        return terms

    def _pair(self, student: PairOfTensors, teacher: Views, batch: Interaction) -> Tensor:
        ids = batch[self.user_field], batch[self.item_field], batch[self.negative_field]
        return pairwise_kl(
            _margin(*student, *ids), _margin(teacher.user, teacher.item, *ids), self.settings.pair_temperature
        )

    def _list(self, student: PairOfTensors, teacher: Views, batch: Interaction) -> Tensor:
        """Mean over the sources of the list loss; column 0 is the positive."""
        assert self._sampler is not None
        settings, users = self.settings, batch[self.user_field]
        negatives = self._sampler.sample(users, settings.list_negatives)
        items = torch.cat([batch[self.item_field].unsqueeze(1), negatives], dim=1)
        logits = _logits(*student, users, items)
        total = torch.zeros((), device=logits.device)
        sources = self._list_sources(teacher)
        for source in sources:
            of_teacher = _logits(*source, users, items)
            if settings.disentangle is False:
                total = total + listwise_kl(logits, of_teacher, settings.list_temperature)
            else:
                weights = settings.disentangle if isinstance(settings.disentangle, Disentangle) else Disentangle()
                total = total + disentangled_kl(
                    logits, of_teacher, settings.list_temperature, weights.alpha, weights.beta
                )
        return total / len(sources)

    def _list_sources(self, teacher: Views) -> list[PairOfTensors]:
        source = self.settings.list_source
        final = [(teacher.user, teacher.item)] if source in ("final", "both") else []
        return final + (list(teacher.modalities.values()) if source in ("modality", "both") else [])

    def _emb(self, student: PairOfTensors, teacher: Views, batch: Interaction) -> Tensor:
        """Summed over modalities, and over the users and items of the batch (or all of them)."""
        total = torch.zeros((), device=student[0].device)
        ids: tuple[Any, Any] = (slice(1, None), slice(1, None))
        if self.settings.emb_scope == "batch":
            ids = batch[self.user_field].unique(), batch[self.item_field].unique()
        for name, sides in teacher.modalities.items():
            for mine, theirs, rows in zip(student, sides, ids, strict=True):
                target = theirs[rows]
                if name in self.projections:
                    target = self.projections[name](target)
                total = total + scaled_cosine_error(mine[rows], target, self.settings.emb_gamma)
        return total

    @torch.no_grad()
    def _teacher_views(self) -> Views:
        return self.teacher.views(self._frozen)

    def _make_projections(self, config: KDConfig, teacher: PromptMMTeacher) -> nn.ModuleDict:
        """Linear maps from the teacher's dimensions to the student's where they differ; gone after training."""
        size = config["student_embedding_size"] or config["embedding_size"]
        if not self.settings.emb or size == teacher.settings.embedding_size:
            return nn.ModuleDict()
        return nn.ModuleDict(
            {name: nn.Linear(teacher.settings.embedding_size, size, bias=False) for name in teacher.reductions}
        )


def _detached(views: Views) -> Views:
    modalities = {name: (users.detach(), items.detach()) for name, (users, items) in views.modalities.items()}
    return Views(views.user.detach(), views.item.detach(), modalities, None)


def _margin(users: Tensor, items: Tensor, user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    difference = F.embedding(positive, items) - F.embedding(negative, items)
    return (F.embedding(user, users) * difference).sum(dim=1)


def _logits(users: Tensor, items: Tensor, user: Tensor, listed: Tensor) -> Tensor:
    """Scores of ``listed`` (B, K) items for ``user`` (B,)."""
    if len(items) <= _ROWS_PER_GATHER * listed.shape[1]:
        return (F.embedding(user, users) @ items.T).gather(1, listed)
    return torch.einsum("bd,bkd->bk", F.embedding(user, users), F.embedding(listed, items))


DISTILLER = PromptMMDistiller
