"""The content path of a distilled student: made, evaluated, and kept beside the student's checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from logging import getLogger
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recbole_kd.bridge.building import build_model
from recbole_kd.bridge.checkpoint import save_state
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.loaders import Loaders, ranks_all_items
from recbole_kd.bridge.models import is_sequential
from recbole_kd.bridge.recbole import GeneralRecommender
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.distillers.base import Teacher
from recbole_kd.distillers.content_path import ContentPath
from recbole_kd.foundation.digest import sha256_of_tensors
from recbole_kd.foundation.errors import UserError
from recbole_kd.scoring.fixed import FixedEmbeddings
from recbole_kd.scoring.model_scores import scores_of
from recbole_kd.scoring.scores import Pair, Scores
from recbole_kd.training.record import StageRecord

SUFFIX = ".content.pth"
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the path in an unseen item's embedding; of equals the first


def content_path_file(checkpoint: str | Path) -> Path:
    """Where the content path of a checkpoint lies: ``NAME.content.pth`` beside ``NAME.pth``."""
    return Path(checkpoint).with_suffix(SUFFIX)


def check_content(config: KDConfig, data: MultiModalDataset) -> None:
    """Refuse a content path that cannot be, before any stage is trained.

    Raises:
        UserError: the data set has no features, or the student's scores are no dot products.
    """
    if not config["content"]:
        return
    if not data.modalities:
        raise UserError(
            f"student_content={config['content']} learns from item features, and the data set {data.dataset_name!r} "
            "has none; make some with recbole-kd features, or leave it out"
        )
    if is_sequential(config.model_class):
        raise UserError(f"student_content: {config.model} reads histories, and a content path is for models of users")
    with torch.random.fork_rng():
        factorised = scores_of(build_model(config, data.build()[0])).factorised
    if not factorised:
        raise UserError(
            f"student_content={config['content']}: {config.model} has no item embedding that content could stand for; "
            "take a student that scores by dot products, such as BPR or LightGCN"
        )


def content_path(
    config: KDConfig, train: MultiModalDataset, student: GeneralRecommender, teachers: Sequence[Teacher]
) -> ContentPath | None:
    """What the key ``content`` of a student's stage asks for; None where it does not."""
    kind = config["content"]
    if not kind:
        return None
    scores = scores_of(student)
    size = scores.embeddings()[1].shape[1]
    return ContentPath(kind, train, size, _scores(teachers[-1]) if teachers else None, config["seed"])


def _scores(teacher: Teacher) -> Scores | None:
    if teacher.given_scores is not None or teacher.given_model is None:
        return teacher.given_scores
    return scores_of(teacher.given_model).computed_once()


def settle_content(trainer: Any, loaders: Loaders) -> None:
    """Choose on validation how much of an unseen item's embedding is the path's; see :attr:`ContentPath.share`.

    Where validation is no full ranking it is all.
    """
    path = _path_of(trainer)
    if path is None or not ranks_all_items(loaders.valid):  # a sampled ranking draws other items for each share
        return
    embeddings = trainer.scores.computed_once().embeddings()
    found = {}
    for share in SHARES:
        path.share = share
        found[share] = trainer.evaluate_as(_filled(path, embeddings, loaders), loaders.valid)[trainer.valid_metric]
    path.share = (max if trainer.valid_metric_bigger else min)(SHARES, key=lambda share: found[share])
    told = ", ".join(f"{share:g}: {value:.4f}" for share, value in found.items())
    getLogger().info(f"content path: {trainer.valid_metric} on validation by its share, {told}; {path.share:g} is kept")


def with_content(trainer: Any, loaders: Loaders) -> nn.Module | None:
    """A trained student that scores unseen items by its content path too; None without a path."""
    path = _path_of(trainer)
    return path and _filled(path, trainer.scores.computed_once().embeddings(), loaders)


def content_share(trainer: Any) -> float | None:
    """The share that :func:`settle_content` chose; None without a path."""
    path = _path_of(trainer)
    return None if path is None else path.share


def _filled(path: ContentPath, embeddings: Pair, loaders: Loaders) -> FixedEmbeddings:
    fields = loaders.train_part.uid_field, loaders.train_part.iid_field
    return FixedEmbeddings(*fields, *path.filled(embeddings))


def keep_content(checkpoint: Path, trainer: Any) -> None:
    """Write the path beside the student's checkpoint, if there is one; the checkpoint stays that of a plain model."""
    path = _path_of(trainer)
    if path is not None:
        student = sha256_of_tensors(trainer.model.state_dict())
        save_state(content_path_file(checkpoint), {**path.state(), "student": student})


def check_kept(record: StageRecord, checkpoint: Path) -> None:
    """Refuse a kept student whose content path is gone.

    Raises:
        UserError: it was trained with one, and the file is not there.
    """
    if record.had_content and not content_path_file(checkpoint).is_file():
        raise UserError(
            f"{checkpoint} was trained with a content path, and {content_path_file(checkpoint).name} is not beside it; "
            "put it back, or train again with --resume=false"
        )


def _path_of(trainer: Any) -> ContentPath | None:
    return getattr(getattr(trainer, "distiller", None), "content", None)
