"""Checkpoints that hold tensors and plain values only, so that reading one runs no code."""

from __future__ import annotations

import os
import pickle
import random
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from recbole.model.abstract_recommender import AbstractRecommender
from torch import Tensor, nn

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
    save_state(path, state)


def save_state(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write tensors and plain values for :func:`load_checkpoint`, whole or not at all."""
    with replacing(path) as stream:
        torch.save(state, stream)


def _without_caches(other: Mapping[str, Any]) -> dict[str, Any]:
    """Embeddings that RecBole's models keep between two scorings (``restore_*``) are made again when needed."""
    return {name: None if name.startswith("restore_") else _as_tensors(value) for name, value in other.items()}


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
        state["other_parameter"] = {name: _from_tensors(value) for name, value in state["other_parameter"].items()}
    return state


_ARRAY, _SPARSE = "numpy array", "scipy matrix"


def _as_tensors(value: Any) -> Any:
    """Matrices that RecBole's EASE, ItemKNN and their kin keep beside their parameters, as tensors."""
    if sp.issparse(value):
        entries = value.tocoo()
        parts = [torch.tensor(part) for part in (entries.row, entries.col, entries.data)]
        return {"kind": _SPARSE, "parts": parts, "shape": list(value.shape), "format": value.format}
    if isinstance(value, np.ndarray):
        return {"kind": _ARRAY, "parts": torch.tensor(np.asarray(value)), "matrix": isinstance(value, np.matrix)}
    return value.item() if isinstance(value, np.generic) else value


def _from_tensors(value: Any) -> Any:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == _SPARSE:
        row, column, data = (part.cpu().numpy() for part in value["parts"])
        return sp.coo_matrix((data, (row, column)), value["shape"]).asformat(value["format"])
    if kind == _ARRAY:
        array = value["parts"].cpu().numpy()
        return np.asmatrix(array) if value["matrix"] else array
    return value


def random_states() -> dict[str, Any]:
    """The states of every global random number generator that a training reads."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the one that RecBole draws from
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Put the generators where :func:`random_states` found them; a machine without CUDA leaves CUDA's out."""
    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


class LooseValues:
    """What a module's training changes besides parameters and buffers, found by comparing with how it was built.

    RecBole's models count steps (MultiVAE), keep loss histories (DiffRec) and shuffle arrays (LINE) in plain
    attributes. Embeddings kept for scoring (``restore_*``) are left out: they are made again when needed.
    """

    def __init__(self, module: nn.Module) -> None:
        """Args:
        module: as built; it and its submodules are watched from now on.
        """
        self._module = module
        self._built = {key: (value, _version(value)) for key, value in self._values()}

    def changed(self) -> dict[tuple[str, str], Any]:
        """Values by submodule and attribute, as tensors and plain values."""
        return {
            key: _as_tensors(value.detach() if isinstance(value, Tensor) else value)
            for key, value in self._values()
            if not self._same(key, value)
        }

    def restore(self, values: Mapping[tuple[str, str], Any], device: torch.device | str) -> None:
        """Set what :meth:`changed` returned; a tensor goes where the one it replaces lies, else to ``device``."""
        for module in self._module.modules():
            for name in vars(module):
                if name.startswith("restore_"):  # computed from weights that are no longer there
                    setattr(module, name, None)
        for (path, name), value in values.items():
            module = self._module.get_submodule(path)
            before = getattr(module, name, None)
            if isinstance(value, Tensor):
                value = value.to(before.device if isinstance(before, Tensor) else device)
            setattr(module, name, _from_tensors(value))

    def _values(self) -> Iterator[tuple[tuple[str, str], Any]]:
        for path, module in self._module.named_modules():
            for name, value in vars(module).items():
                plain = isinstance(value, int | float | np.generic | Tensor | None)
                numbers = isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
                if (plain or numbers) and not name.startswith("restore_"):
                    yield (path, name), value

    def _same(self, key: tuple[str, str], value: Any) -> bool:
        if key not in self._built or isinstance(value, np.ndarray):  # an array does not tell whether it was changed
            return False
        before, version = self._built[key]
        if isinstance(value, Tensor) or isinstance(before, Tensor):
            return value is before and value._version == version
        return type(value) is type(before) and value == before


def _version(value: Any) -> int:
    return value._version if isinstance(value, Tensor) else 0
