"""Checkpoints that hold tensors and plain values only, so that reading one runs no code."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.serialization import load as read_tensors  # not torch.load, for which others are lent another meanwhile

from recbole_kd.bridge.checkpoint_schema import Damaged, check_state, checksum
from recbole_kd.bridge.kept_embeddings import without_embeddings
from recbole_kd.bridge.loose_values import as_tensors, from_tensors
from recbole_kd.bridge.recbole import AbstractRecommender
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import check_checkpoint, replacing
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
    weights = model.state_dict()
    weights.update({name: _whole(value) for name, value in weights.items()})  # in its place: it has versions besides
    state = {
        "config": plain_values(config),
        "state_dict": weights,
        "other_parameter": {
            name: _whole(as_tensors(value)) for name, value in without_embeddings(model.other_parameter()).items()
        },
        **values,
    }
    save_state(path, {**state, "sha256": checksum(state)})


def save_state(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write tensors and plain values for :func:`load_checkpoint`, whole or not at all."""
    with replacing(path) as stream:
        torch.save(state, stream)


def _whole(value: Any) -> Any:
    """``value``, a tensor of repeated values (``expand``) with each of them, as a reader asks for."""
    if isinstance(value, Tensor) and value.layout is torch.strided and 0 in value.stride():
        return value.contiguous()
    return value


def load_checkpoint(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint of :func:`save_checkpoint` and check it whole; nothing in the file is executed.

    Raises:
        UserError: the file is missing, cut short, or holds more than tensors and plain values.
        Damaged: its bytes, or the types or the checksum of its values, are not those that were written.
    """
    state = load_state(path, device)
    check_state(state, path)
    state.pop("sha256", None)  # whoever changes a value and writes it again writes another
    if isinstance(state.get("other_parameter"), dict):
        try:
            other = without_embeddings(state["other_parameter"])  # what belongs to the weights is made of them
            state["other_parameter"] = {name: from_tensors(value) for name, value in other.items()}
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            raise Damaged(path, "other_parameter holds a matrix that is none") from None
    return state


def load_state(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what :func:`save_state` wrote; nothing in the file is executed.

    Raises:
        UserError: the file is missing, cut short, or holds more than tensors and plain values.
        Damaged: its bytes are not those that were written.
    """
    check_checkpoint(path)
    if not is_archive(path):
        raise UserError(f"{path} is not a whole checkpoint; delete it")
    check_bytes(path)
    try:
        state = read_tensors(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(f"{path} holds Python objects besides tensors and plain values; refusing to load it") from None
    except Exception:  # a damaged file makes PyTorch raise nearly anything
        raise UserError(f"{path} is not a whole checkpoint; delete it") from None
    if not isinstance(state, dict):
        raise UserError(f"{path} is no checkpoint of a model: it holds a {type(state).__name__}")
    return state


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a zip archive, as all that PyTorch writes is."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # of one that says it spans several disks
        return False


def check_bytes(path: str | os.PathLike[str]) -> None:
    """Compare each part of an archive with its checksum, which PyTorch does not; the file is read once, in pieces.

    Raises:
        Damaged: a part differs, is compressed, or is there twice.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            whole = len(names) == len(parts) and all(part.compress_type == zipfile.ZIP_STORED for part in parts)
            changed = archive.testzip() if whole else "its list of parts"
    except Exception:  # a damaged archive makes zipfile raise nearly anything
        changed = "its list of parts"
    if changed:
        raise Damaged(path, f"{changed} is not what was written")
