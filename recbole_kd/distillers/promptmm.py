"""PromptMM's second stage: pair, list and embedding distillation while the prompt keeps learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
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
from recbole_kd.ops.pair_scores import dot_scores, pair_scores
from recbole_kd.scoring.scores import Scores

Term = Literal["pair", "list", "emb"]
Terms = list[Term]
Groups = list[dict[str, Any]]
PairOfTensors = tuple[Tensor, Tensor]
TERMS: tuple[Term, ...] = ("pair", "list", "emb")


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
    prompt_every: Count
    kd_every: Count
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
        self._views: Views | None = None
        self._step = 0
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
        """The prompt at its own learning rate for each step that it stands for, the projections at the student's."""
        groups: Groups = []
        settings = self.settings
        if self._tuned is not None:
            rate = settings.prompt_learning_rate * settings.kd_every * settings.prompt_every
            groups.append({"params": list(self._tuned.parameters()), "lr": rate})
        if self.projections:
            groups.append({"params": list(self.projections.parameters())})
        return groups

    def get_extra_state(self) -> dict[str, Any]:
        """The generator's state, the step, and the teacher's views where they last and could not be made again."""
        lasting = self._views if self._tuned is not None and self.settings.prompt_every > 1 else None
        views = lasting and [list(pair) for pair in lasting.pairs()]
        return {"generator": super().get_extra_state(), "step": self._step, "views": views}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on with the numbers, the step and the views of the run that was cut off."""
        super().set_extra_state(state["generator"])
        self._step = state["step"]
        if state["views"] is not None:
            device = self.teacher.device
            (user, item), *modalities = ([part.to(device) for part in pair] for pair in state["views"])
            named = zip(self.teacher.reductions, map(tuple, modalities), strict=True)
            self._views = Views(user, item, dict(named), None)

    def forward(self, student: Scores, batch: Interaction) -> dict[str, Tensor]:
        """Return ``{"pair", "list", "emb"}``, each times its weight, without those whose weight is zero.

        With ``kd_every`` n they are 0 but at the first of n steps, where they weigh n times as much.
        """
        settings = self.settings
        names = [name for name in TERMS if getattr(settings, name)]
        if not names:
            return {}
        turn, rest = divmod(self._step, settings.kd_every)
        self._step += 1
        if rest:
            return {name: torch.zeros((), device=student.device) for name in names}
        views = self._views_at(turn)
        embeddings = student.embeddings()
        terms: dict[str, Tensor] = {}
        if settings.pair or settings.list:
            terms = self._listed(embeddings, views, batch)
        if settings.emb:
            terms["emb"] = self._emb(embeddings, self._given("emb", views), batch)
        return {name: settings.kd_every * getattr(settings, name) * terms[name] for name in names}

    def _views_at(self, turn: int) -> Views:
        """The teacher's views, made anew where the prompt learns (at the first of ``prompt_every`` turns)."""
        learns = self._tuned is not None and turn % self.settings.prompt_every == 0
        if self._views is None or learns:
            self.teacher.forget()
            with torch.set_grad_enabled(learns):
                views = self.teacher.views(self._frozen)
            self._views = views.detached()
            return views
        return self._views

    def _given(self, term: Term, views: Views) -> Views:
        return views if term in self.settings.prompt_grad else views.detached()

    def _listed(self, student: PairOfTensors, teacher: Views, batch: Interaction) -> dict[str, Tensor]:
        """Pair and list loss of the same scores: column 0 is the positive, 1 the negative, the others the list's."""
        settings, users = self.settings, batch[self.user_field]
        columns = [batch[self.item_field].unsqueeze(1), batch[self.negative_field].unsqueeze(1)]
        if self._sampler is not None:
            columns.append(self._sampler.sample(users, settings.list_negatives))
        items = torch.cat(columns, dim=1)
        mine = dot_scores(*student, users, items)
        terms: dict[str, Tensor] = {}
        if settings.pair:
            given = self._given("pair", teacher)
            theirs = _scores((given.user, given.item), users, items[:, :2])
            terms["pair"] = pairwise_kl(_margin(mine), _margin(theirs), settings.pair_temperature)
        if settings.list:
            terms["list"] = self._list(_listed(mine), self._given("list", teacher), users, _listed(items))
        return terms

    def _list(self, mine: Tensor, teacher: Views, users: Tensor, items: Tensor) -> Tensor:
        """Mean over the sources of the list loss; column 0 is the positive."""
        settings = self.settings
        total = torch.zeros((), device=mine.device)
        sources = self._list_sources(teacher)
        for source in sources:
            theirs = _scores(source, users, items)
            if isinstance(settings.disentangle, Disentangle):
                weights = settings.disentangle
                total = total + disentangled_kl(mine, theirs, settings.list_temperature, weights.alpha, weights.beta)
            else:  # with the paper's weights the two parts are the plain KL divergence, at a third of the cost
                total = total + listwise_kl(mine, theirs, settings.list_temperature)
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

    def _make_projections(self, config: KDConfig, teacher: PromptMMTeacher) -> nn.ModuleDict:
        """Linear maps from the teacher's dimensions to the student's where they differ; gone after training."""
        size = config["student_embedding_size"] or config["embedding_size"]
        if not self.settings.emb or size == teacher.settings.embedding_size:
            return nn.ModuleDict()
        return nn.ModuleDict(
            {name: nn.Linear(teacher.settings.embedding_size, size, bias=False) for name in teacher.reductions}
        )


def _margin(scores: Tensor) -> Tensor:
    return scores[:, 0] - scores[:, 1]


def _listed(columns: Tensor) -> Tensor:
    """The list loss does not read the negative of the pair loss."""
    return torch.cat([columns[:, :1], columns[:, 2:]], dim=1)


def _scores(source: PairOfTensors, users: Tensor, items: Tensor) -> Tensor:
    """A teacher's scores (B, n); cheaper where no prompt learns from them."""
    score = dot_scores if source[1].requires_grad else pair_scores
    return score(*source, users, items)


DISTILLER = PromptMMDistiller
