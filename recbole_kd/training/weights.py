"""A model's weights from elsewhere: a checkpoint, or its teacher's embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.recbole import Dataset
from recbole_kd.bridge.recbole_checkpoint import load_any_checkpoint
from recbole_kd.data.identity import identity_of
from recbole_kd.data.tokens import difference, sizes_differ
from recbole_kd.foundation.digest import sha256_of_file
from recbole_kd.foundation.errors import UserError


def load_weights(model: Any, config: KDConfig, data: Dataset) -> None:
    """Take a model's weights from the file ``checkpoint``, one of ours or of RecBole's.

    Args:
        model: made for ``data``.
        config: of its stage.
        data: the training part of the data set.

    Raises:
        UserError: the file cannot be read, or is of other data or another model size.
    """
    path, prefix = config["checkpoint"], "" if config.stage is None else f"{config.stage}_"
    state = load_any_checkpoint(path, config["device"])
    theirs = state.get("config") or {}
    split_once = bool(config["benchmark_filename"])  # then the seed has no part in it
    for key in ("model", "dataset") if split_once else ("model", "dataset", "seed"):
        if theirs.get(key, config[key]) != config[key]:
            raise UserError(
                f"{prefix}checkpoint: {path} was trained with {key}={theirs[key]}, and this run has {config[key]}; "
                "its test items may be among what it learnt, so use the same"
            )
    differs = difference(state, identity_of(data, config.dataset, config["seed"]), data)
    if differs:
        what, how = differs
        raise UserError(
            f"{prefix}checkpoint: {path} was trained on {what} than this run's{': ' * bool(how)}{how}; train it "
            "again on these data"
        )
    misfit = take_weights(model, state)
    sizes = sizes_differ(state, model, data) if misfit else ""
    if sizes:
        raise UserError(f"{prefix}checkpoint: {path} is of other data: {sizes}; train it again on these data")
    if misfit:
        raise UserError(
            f"{prefix}checkpoint: the weights in {path} do not fit {config.model} ({misfit}); give the settings it was "
            f"trained with, such as --{prefix}embedding_size"
        )


def take_weights(model: Any, state: Mapping[str, Any]) -> str:
    """Load what :func:`~recbole_kd.bridge.recbole_checkpoint.load_any_checkpoint` gave, or say what does not fit."""
    try:
        model.load_state_dict(state["state_dict"])
    except (RuntimeError, KeyError):
        mine, found = model.state_dict(), state.get("state_dict") or {}
        name = next((name for name in mine if name not in found or mine[name].shape != found[name].shape), None)
        if name is None:
            return "more than this model has"
        there = "absent" if name not in found else " × ".join(map(str, found[name].shape))
        return f"{name} is {there}, here {' × '.join(map(str, mine[name].shape))}"
    model.load_other_parameter(state["other_parameter"])
    return ""


def given_weights(config: KDConfig) -> list[str]:
    """The digest of the file ``checkpoint``, if one is given."""
    if not config["checkpoint"]:
        return []
    if not Path(config["checkpoint"]).is_file():
        raise UserError(f"there is no checkpoint at {config['checkpoint']}")
    return [sha256_of_file(Path(config["checkpoint"]))]


@torch.no_grad()
def start_from_teacher(student: nn.Module, users: Tensor, items: Tensor) -> None:
    """``init: teacher``: give the student the teacher's final embeddings as its initial ones.

    A larger teacher gives the factors of the best approximation of its scores that the student's size allows.

    Args:
        student: has ``user_embedding`` and ``item_embedding``.
        users: the teacher's, (n_users, d).
        items: the teacher's, (n_items, d).

    Raises:
        UserError: the teacher is the smaller one, or the student has no embeddings to give them to.
    """
    tables: list[Any] = [getattr(student, name, None) for name in ("user_embedding", "item_embedding")]
    sizes = {table.embedding_dim if isinstance(table, nn.Embedding) else None for table in tables}
    size = sizes.pop()
    if size is None or sizes:
        raise UserError(
            f"init=teacher needs a student with user and item embeddings of one size, not {type(student).__name__}; "
            "use init=xavier"
        )
    if users.shape[1] < size:
        raise UserError(
            f"init=teacher needs a teacher at least as large as the student, but the student has {size} dimensions and "
            f"the teacher {users.shape[1]}; change embedding_size or use init=xavier"
        )
    if users.shape[1] > size:
        users, items = truncated_factors(users, items, size)
    tables[0].weight.copy_(users)
    tables[1].weight.copy_(items)


def truncated_factors(users: Tensor, items: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Factors of ``size`` dimensions whose product is nearest to ``users @ items.T`` (Eckart and Young 1936).

    Args:
        users: (n_users, d).
        items: (n_items, d).
        size: at most d.

    Returns:
        (n_users, size) and (n_items, size), from QR of both sides and an SVD of d × d: never users × items.
    """
    (q_users, r_users), (q_items, r_items) = torch.linalg.qr(users), torch.linalg.qr(items)
    left, values, right = torch.linalg.svd(r_users @ r_items.T)
    scale = values[:size].sqrt()
    return q_users @ (left[:, :size] * scale), q_items @ (right[:size].T * scale)
