"""Checkpoints that hold tensors and plain values only, so that reading one runs no code."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from recbole_kd.bridge.kept_embeddings import without_embeddings
from recbole_kd.bridge.loose_values import as_tensors, from_tensors
from recbole_kd.bridge.recbole import AbstractRecommender
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing
from recbole_kd.foundation.plain import plain_values


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
        "other_parameter": {
            name: as_tensors(value) for name, value in without_embeddings(model.other_parameter()).items()
        },
        **values,
    }
    save_state(path, state)


def save_state(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write tensors and plain values for :func:`load_checkpoint`, whole or not at all."""
    with replacing(path) as stream:
        torch.save(state, stream)


def load_checkpoint(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint of :func:`save_checkpoint`; nothing in the file is executed.

    Raises:
        UserError: the file is missing, cut short, or holds more than tensors and plain values.
    """
    if not Path(path).is_file():
        raise UserError(f"there is no checkpoint at {path}")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is not a whole checkpoint; delete it")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(f"{path} holds Python objects besides tensors and plain values; refusing to load it") from None
    except Exception:  # a damaged file makes PyTorch raise nearly anything
        raise UserError(f"{path} is not a whole checkpoint; delete it") from None
    if not isinstance(state, dict):
        raise UserError(f"{path} is no checkpoint of a model: it holds a {type(state).__name__}")
    if isinstance(state.get("other_parameter"), dict):
        state["other_parameter"] = {name: from_tensors(value) for name, value in state["other_parameter"].items()}
    return state
