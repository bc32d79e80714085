"""What a checkpoint must hold, and whether it does: types, sizes, a checksum over its tensors, names that stay names.

A name in a file becomes part of a path sooner or later: a data set ``../../etc`` is no name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from recbole_kd.foundation.digest import sha256_of_tensors
from recbole_kd.foundation.errors import UserError

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_DEEPEST = 20  # containers within each other, below which tensors are looked for

# Only these of a config say how weights came about, and what file they began as: a trained model has its weights.
_OF_THE_BEGINNING = frozenset(
    {
        *("pre_model_path", "pretrain_path", "mf_pretrain_path", "mlp_pretrain_path", "warm_up"),
        *("use_pretrain", "train_stage", "train_method", "checkpoint", "cache_dir"),
    }
)
_NAMES = ("dataset", "benchmark_filename", "additional_feat_suffix", "load_col", "unload_col", "modalities")
_FOLDERS = ("data_path", "features_path")
_NO_NAME = re.compile(r"[/\\\x00-\x1f]")


class Damaged(UserError):
    """A checkpoint that was whole once, or never was."""

    def __init__(self, path: Any, what: str) -> None:
        super().__init__(f"{path} is damaged: {what}; copy it again, or delete it and train again")


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", arbitrary_types_allowed=True)


class _Data(_Part):
    """What :func:`recbole_kd.data.identity.identity_of` gives."""

    version: str
    dataset: str
    seed: int
    users: _Sha256
    items: _Sha256
    train: _Sha256


class _State(_Part):
    state_dict: dict[str, Tensor]
    other_parameter: dict[str, Any] = {}
    config: dict[str, Any] = {}
    epoch: Annotated[int, Field(ge=-1)] = 0
    cur_step: Annotated[int, Field(ge=0)] = 0
    best_valid_score: float = 0.0
    optimizer: dict[str, Any] = {}
    per_user: dict[str, Tensor] = {}
    record: dict[str, Any] | None = None
    data: _Data | None = None
    sha256: _Sha256 | None = None


def check_state(state: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Check a checkpoint's content.

    Args:
        state: as it was read.
        path: the file, for the sentence.

    Raises:
        UserError: there are no weights.
        Damaged: a value is of a wrong type or impossible, or the checksum is of other tensors. Files of stock RecBole,
            and ours of earlier releases, have none.
    """
    weights = state.get("state_dict")
    if not isinstance(weights, Mapping) or not weights or not all(torch.is_tensor(value) for value in weights.values()):
        raise UserError(f"{path} holds no weights of a model under state_dict; give a checkpoint of RecBole or ours")
    try:
        _State.model_validate(state)
    except ValidationError as error:
        worst = error.errors()[0]
        place = ".".join(map(str, worst["loc"]))
        raise Damaged(path, f"{place} is not what a checkpoint holds ({worst['msg'].lower()})") from None
    for name, tensor in tensors_of(state):
        if reason := unsound(tensor):
            raise Damaged(path, f"{name} {reason}")
    if "sha256" in state and state["sha256"] != checksum(state):
        raise Damaged(path, "the checksum is of other tensors")


def unsound(tensor: Tensor) -> str:
    """Why a tensor from a file cannot be worked with, ``""`` where it can: dense, real, and all there.

    A few bytes can claim to be any number of values, each of them the same one.
    """
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_quantized:
        return "is no dense tensor of real numbers"
    if tensor.is_complex() or tensor.is_neg():
        return "is no dense tensor of real numbers"
    if tensor.device.type == "meta" or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return "has more values than the file holds"
    return ""


def check_finite(state: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Refuse weights that are no numbers, which give lists that mean nothing.

    Raises:
        UserError: a tensor of ``state_dict`` holds NaN or infinity.
        Damaged: one is sparse.
    """
    for name, tensor in state["state_dict"].items():
        if reason := unsound(tensor):
            raise Damaged(path, f"state_dict.{name} {reason}")
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        if not all(torch.isfinite(bound) for bound in tensor.float().aminmax()):
            raise UserError(
                f"the weights {name} in {path} hold NaN or infinity; train the model again with a smaller learning_rate"
            )


def checksum(state: Mapping[str, Any]) -> str:
    """The SHA-256 of a checkpoint's weights and of tensors in its ``other_parameter``, with their shapes and dtypes."""
    found = tensors_of({key: state[key] for key in ("state_dict", "other_parameter") if key in state})
    return sha256_of_tensors({f"{name} {tensor.dtype} {tuple(tensor.shape)}": tensor for name, tensor in found})


def tensors_of(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """The dense tensors in nested containers, with where they lie; what is too deep is left out."""
    if isinstance(value, Tensor):
        if value.layout is torch.strided:
            yield name, value
    elif depth < _DEEPEST and isinstance(value, Mapping):
        for key, item in value.items():
            yield from tensors_of(item, f"{name}.{key}" if name else str(key), depth + 1)
    elif depth < _DEEPEST and isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from tensors_of(item, f"{name}.{place}", depth + 1)


def trusted_config(config: Mapping[str, Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    """What of a config in a file may be gone by: names are names, and no file is opened because it says so.

    Args:
        config: plain values by key.
        path: the checkpoint, for the sentence.

    Returns:
        ``config`` without the files and stages that weights began with, and with folders only where they are texts.

    Raises:
        UserError: a name of data would lead to another folder, or a model's is none of a class.
    """
    kept = {key: value for key, value in config.items() if key not in _OF_THE_BEGINNING}
    for key in _FOLDERS:
        if not isinstance(kept.get(key), str) or "\0" in kept[key]:
            kept.pop(key, None)
    model = kept.get("model")
    if model is not None and not (isinstance(model, str) and model.isidentifier()):
        raise UserError(f"{path}: its model {model!r} is not the name of a class; take a checkpoint that you trust")
    for key in _NAMES:
        for name in _names_in(kept.get(key)):
            if _NO_NAME.search(name) or name in ("", ".", ".."):
                raise UserError(f"{path}: its {key} {name!r} would lead to other folders; take one that you trust")
    return kept


def _names_in(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list | tuple | dict) else [str(value)]
