"""MTS²4MM's student: an ID view and modality views, fused by what these share and what each has besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Positive, Settings
from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.models.multimodal.fused_views import Views
from recbole_kd.models.multimodal.mgcn import contrast
from recbole_kd.models.multimodal.views import ID, Encoders, Pair, SharedSpecific
from recbole_kd.ops.graph import Graph, normalise
from recbole_kd.ops.losses import Batch, bpr, squared_norm_of_tables

_KEPT = "kept"


class MTS4MMStudentSettings(Settings):
    """Hyperparameters of :class:`MTS4MMStudent`; ``properties/model/MTS4MMStudent.yaml`` explains each."""

    embedding_size: Count
    n_layers: CountOrZero
    n_modality_layers: CountOrZero
    knn_k: Count
    shared_ids: bool
    gated: bool
    specific_pooling: Literal["mean", "sum"]
    views: list[str] | None
    inference_views: list[str] | None
    reg_weight: NonNegative
    contrast_weight: NonNegative
    contrast_temperature: Positive
    modal_every: Count


class MTS4MMStudent(MultiModalRecommender[MTS4MMStudentSettings]):
    """The student of MTS²4MM (sections 3.2-3.4), also a model of its own: ``E = E^ID + E^M`` (eqs. 18-21)."""

    settings_class = MTS4MMStudentSettings

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        """As :class:`MultiModalRecommender`.

        Raises:
            UserError: ``views`` or ``inference_views`` names a view that there is not.
        """
        super().__init__(config, dataset)
        settings = self.settings
        trained = self._known("views", settings.views, (ID, *self.modalities))
        self.trained_views = trained
        self.used = self._known("inference_views", settings.inference_views, trained)
        modalities = tuple(name for name in trained if name != ID)
        self.encoders = Encoders(
            self,
            {name: self._item_graph(dataset, name) for name in modalities},
            size=settings.embedding_size,
            layers=settings.n_layers,
            modality_layers=settings.n_modality_layers,
            mean=True,
            with_ids=ID in trained,
            shared_ids=settings.shared_ids,
        )
        gated = settings.gated and ID in trained
        self.fusion = SharedSpecific(modalities, settings.embedding_size, gated, settings.specific_pooling)
        self.apply(xavier_uniform_initialization)
        self._step = 0
        self._modal: Tensor | None = None

    @staticmethod
    def _known(key: str, wanted: list[str] | None, there: tuple[str, ...]) -> tuple[str, ...]:
        for name in wanted or []:
            if name not in there:
                hint = did_you_mean(name, there) or f"; take from {', '.join(there)}"
                raise UserError(f"{key}: there is no view {name!r}{hint}")
        return tuple(name for name in there if not wanted or name in wanted)

    def _item_graph(self, dataset: MultiModalDataset, name: str) -> Graph:
        """The binary nearest items, made symmetric by union, and normalised."""
        matrix = dataset.neighbours(name, self.settings.knn_k).binary().matrix()
        return Graph.from_scipy(normalise(matrix.maximum(matrix.T)))

    def forward(self) -> Views:  # type: ignore[override]
        """What all views propagate; after training fused from ``inference_views`` alone."""
        return self._joined(self.trained_views if self.training else self.used)

    def _joined(self, names: Sequence[str]) -> Views:
        """All views, of which ``names`` are fused."""

        def fuse(rows: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
            modal = [name for name in rows if name in names and name != ID]
            fused = self.fusion({name: rows[name] for name in modal}, rows.get(ID)) if modal else None
            parts = [rows[ID]] if ID in rows and ID in names else []
            return torch.stack([*parts, fused] if fused is not None else parts).sum(dim=0), fused

        return Views(self.encoders(), fuse)

    def train(self, mode: bool = True) -> MTS4MMStudent:
        """RecBole's call before each epoch, whose first step is one at which the modalities learn."""
        self._step, self._modal = 0, None
        super().train(mode)
        return self

    def _resting(self, modal: Tensor) -> Views:
        """The IDs' view, with the fused modalities as they last were."""
        kept = modal[: self.n_users], modal[self.n_users :]
        return Views({ID: self.encoders.of_ids(), _KEPT: kept}, lambda rows: (rows[ID] + rows[_KEPT], None))

    def embeddings(self) -> Pair:
        """What a score is the dot product of, as :func:`~recbole_kd.scoring.model_scores.scores_of` asks."""
        return self.forward().whole

    def embeddings_of(self, views: Sequence[str]) -> Pair:
        """What :meth:`embeddings` gives of a model with these ``inference_views``."""
        return self._joined(views).whole

    def loss(self, batch: Batch) -> Tensor:
        """``BPR + λ L2 + λ_cl InfoNCE(E^M, E^ID)`` (eq. 30, the student's own part).

        The L2 is of the embedding tables, as LightGCN's is. With ``modal_every`` n the modalities learn at the first of
        n steps of an epoch; between, what they add to the IDs stays as it was.
        """
        self._step += 1
        if self._modal is not None and self._step % self.settings.modal_every != 1:
            return self._own_loss(self._resting(self._modal), batch, resting=True)
        views = self.forward()
        if self.settings.modal_every > 1 and ID in views.views:
            self._modal = views.modal()
        return self._own_loss(views, batch, resting=False)

    def _own_loss(self, views: Views, batch: Batch, resting: bool) -> Tensor:
        settings, found = self.settings, views.of(batch)
        users, items = self.encoders.tables(of_ids_alone=resting)
        penalty = squared_norm_of_tables(users, items, batch)
        loss = bpr(found.user, found.item, found.local) + settings.reg_weight * penalty
        if settings.contrast_weight and found.modal is not None and ID in found.views:
            ids = torch.cat(found.views[ID])
            temperature = settings.contrast_temperature
            loss = loss + settings.contrast_weight * contrast(
                found.modal, ids, found.local, len(found.users), temperature
            )
        return loss


MODEL = MTS4MMStudent
