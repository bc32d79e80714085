"""A trained model's scores with content for the items that training never saw."""

from __future__ import annotations

import os
from logging import getLogger

import torch

from recbole_kd.bridge.checkpoint import load_state
from recbole_kd.bridge.targets import trained_items
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.interactions import positives_of
from recbole_kd.distillers.content_path import content_embeddings
from recbole_kd.foundation.digest import sha256_of_tensors
from recbole_kd.foundation.errors import UserError
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.training.content import content_path_file


def with_content(
    scores: ModelScores, checkpoint: str | os.PathLike[str], train: MultiModalDataset, had_one: bool = False
) -> ModelScores | None:
    """The scores with what the content path beside a checkpoint makes of items without a training interaction.

    Args:
        scores: of the model alone.
        checkpoint: its file.
        train: the training part.
        had_one: whether the checkpoint says that it was trained with one, so that its loss is worth a warning.

    Returns:
        None where no such file lies there.

    Raises:
        UserError: the file is damaged, or the data set lacks a modality that the path reads.
    """
    path = content_path_file(os.fspath(checkpoint))
    if path.is_symlink() or not path.is_file():
        if had_one:
            getLogger().warning(f"{checkpoint} was trained with a content path, and {path.name} is no file beside it")
        return None
    state = load_state(path)
    names = state.get("modalities")
    if not isinstance(names, list) or not scores.factorised:
        raise UserError(f"{path} is no content path of {checkpoint}; delete it, or train the student again")
    features = torch.cat([train.features(str(name)) for name in names], dim=1)
    with torch.no_grad():
        users, items = scores.embeddings()
    made = content_embeddings(state, features).to(items.device)
    if made.shape != items.shape or state.get("student") != sha256_of_tensors(scores.model.state_dict()):
        raise UserError(f"{path} is the content path of another student than {checkpoint}; put its own there")
    trained = trained_items(train).to(items.device)
    filled = torch.where(trained.unsqueeze(1), items, made)
    return ModelScores(scores.model, lambda: (users, filled), positives_of(train))
