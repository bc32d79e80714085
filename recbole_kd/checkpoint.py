"""Checkpoints that hold tensors and plain values only, so that reading one runs no code."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import AbstractRecommender

from recbole_kd.errors import UserError
from recbole_kd.files import replacing


def plain_values(value: Any) -> Any:
    """Copy nested containers with every leaf as a Python number, string, bool or None; others become their text."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain_values(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def save_checkpoint(
    path: str | os.PathLike[str], model: AbstractRecommender, config: Mapping[str, Any], **values: Any
) -> None:
    """Write what RecBole's ``evaluate`` and ``resume_checkpoint`` read, whole or not at all.

    Args:
        path: the file; an older one is replaced at the end, by rename.
        model: a RecBole model; its parameters and ``other_parameter`` are kept.
        config: written as plain values.
        values: further entries; tensors and plain values (``record=…``, ``optimizer=…``, ``epoch=…``).
    """
    state = {
        "config": plain_values(config),
        "state_dict": model.state_dict(),
        "other_parameter": _without_caches(model.other_parameter()),
        **values,
    }
    with replacing(path) as stream:
        torch.save(state, stream)


def _without_caches(other: Mapping[str, Any]) -> dict[str, Any]:
    """Embeddings that RecBole's models keep between two scorings (``restore_*``) are made again when needed."""
    return {name: None if name.startswith("restore_") else value for name, value in other.items()}


def load_checkpoint(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint of :func:`save_checkpoint`; nothing in the file is executed.

    Raises:
        UserError: the file is missing, cut short, or holds more than tensors and plain values.
    """
    if not Path(path).is_file():
        raise UserError(f"there is no checkpoint at {path}")
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(f"{path} holds Python objects besides tensors and plain values; refusing to load it") from None
    except (RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a whole checkpoint ({str(error).splitlines()[0]}); delete it") from None
