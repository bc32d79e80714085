"""A student's content path as it is served: embeddings of items from their features, for those nobody has clicked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from recbole_kd.bridge.checkpoint import load_state
from recbole_kd.bridge.checkpoint_schema import unsound
from recbole_kd.bridge.targets import trained_items
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.interactions import positives_of
from recbole_kd.distillers.content_path import Kind, content_embeddings, mixed, sketch_of
from recbole_kd.foundation.digest import sha256_of_tensors
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.kept import Kept, checked
from recbole_kd.foundation.logs import SHOWN
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.training.content import content_path_file

_ALIKE = 1e-3  # how far the sketches of features that are the same may be apart


class _State(Kept):
    """What the file holds."""

    kind: Kind
    modalities: list[str] = Field(min_length=1)
    share: Annotated[float, Field(ge=0, le=1)]
    student: str
    features: Any  # a sketch of them
    weights: dict[str, Any]
    sha256: str  # of the weights


@dataclass(frozen=True)
class StudentContent:
    """The path beside a checkpoint, and the training part of the data it was learnt on."""

    path: Path
    state: _State
    train: MultiModalDataset

    @property
    def modalities(self) -> list[str]:
        """Whose features it reads, side by side."""
        return self.state.modalities

    def embeddings(self, features: Tensor) -> Tensor:
        """Item embeddings (n, d) of features (n, width), those of :attr:`modalities` side by side, normalised.

        Raises:
            UserError: they do not fit, or the weights are so large that an embedding is no number.
        """
        found = content_embeddings(self.state.model_dump(), features)
        if not found.isfinite().all():
            raise UserError(f"{self.path} is damaged: its weights give NaN or infinity; train the student again")
        return found

    def scores(self, scores: ModelScores, checkpoint: str) -> ModelScores:
        """A student's scores with the path's share in the embeddings of items that training never saw.

        Args:
            scores: of the student alone.
            checkpoint: its file, for messages.

        Raises:
            UserError: the path is another student's, or the features are not those that it was learnt with.
        """
        if not scores.factorised or self.state.student != sha256_of_tensors(scores.model.state_dict()):
            raise UserError(f"{self.path} is the content path of another student than {checkpoint}; put its own there")
        features = torch.cat([self.train.features(name) for name in self.modalities], dim=1)
        kept = self.state.features
        if not isinstance(kept, Tensor) or kept.shape != features.shape[:1]:
            raise UserError(f"{self.path} is damaged: features: it is no sketch of {len(features):,} items; delete it")
        if not torch.allclose(sketch_of(features), kept, rtol=_ALIKE, atol=_ALIKE):
            raise UserError(
                f"the features in {self.train.features_folder} are not those that {self.path} was learnt with; put "
                "those there, or train the student again with --resume=false"
            )
        with torch.no_grad():
            users, items = scores.embeddings()
        made = self.embeddings(features).to(items)
        if made.shape != items.shape:
            raise UserError(
                f"{self.path} does not fit {checkpoint}, whose items have {items.shape[1]} numbers; delete it"
            )
        unseen = ~trained_items(self.train) & self.train.described_items()
        filled = mixed(items, made, unseen.to(items.device), self.state.share)
        return ModelScores(scores.model, lambda: (users, filled), positives_of(self.train))


def open_content(
    checkpoint: str | os.PathLike[str], train: MultiModalDataset, had_one: bool = False
) -> StudentContent | None:
    """The content path beside a checkpoint; None where no such file lies there.

    Args:
        checkpoint: its file.
        train: the training part.
        had_one: whether the checkpoint says that it was trained with one, so that its loss is worth a warning.

    Raises:
        UserError: the file is damaged.
    """
    path = content_path_file(os.fspath(checkpoint))
    if path.is_symlink() or not path.is_file():
        if had_one:
            SHOWN.warning(f"{checkpoint} was trained with a content path, and {path.name} is no file beside it")
        return None
    state = checked(_State, load_state(path), path, "delete it, or train the student again")
    weights = state.weights
    for name, value in {"features": state.features, **{f"weights.{key}": one for key, one in weights.items()}}.items():
        if reason := _unsound(value):
            raise UserError(f"{path} is damaged: {name} {reason}; train the student again")
    if state.sha256 != sha256_of_tensors(weights):
        raise UserError(f"{path} is damaged: its weights are not those that were written; train the student again")
    return StudentContent(path, state, train)


def _unsound(value: Any) -> str:
    """Why a value is none of what the file holds; ``""`` for finite float32 numbers, all there."""
    if not isinstance(value, Tensor):
        return "is no tensor"
    if reason := unsound(value):
        return reason
    if value.dtype is not torch.float32 or value.device.type != "cpu":
        return f"is of {str(value.dtype).removeprefix('torch.')} on {value.device.type}, and not of float32"
    return "" if value.isfinite().all() else "holds NaN or infinity"
