"""What a module's training changes besides parameters and buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from recbole_kd.bridge.kept_embeddings import forget_embeddings, is_kept_embedding

_ARRAY, _SPARSE = "numpy array", "scipy matrix"


def as_tensors(value: Any) -> Any:
    """Matrices that RecBole's EASE, ItemKNN and their kin keep beside their parameters, as tensors."""
    if sp.issparse(value):
        entries = value.tocoo()
        parts = [torch.tensor(part) for part in (entries.row, entries.col, entries.data)]
        return {"kind": _SPARSE, "parts": parts, "shape": list(value.shape), "format": value.format}
    if isinstance(value, np.ndarray):
        return {"kind": _ARRAY, "parts": torch.tensor(np.asarray(value)), "matrix": isinstance(value, np.matrix)}
    return value.item() if isinstance(value, np.generic) else value


def from_tensors(value: Any) -> Any:
    """What :func:`as_tensors` was given."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == _SPARSE:
        row, column, data = (part.cpu().numpy() for part in value["parts"])
        return sp.coo_matrix((data, (row, column)), value["shape"]).asformat(value["format"])
    if kind == _ARRAY:
        array = value["parts"].cpu().numpy()
        return np.asmatrix(array) if value["matrix"] else array
    return value


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
            key: as_tensors(value.detach() if isinstance(value, Tensor) else value)
            for key, value in self._values()
            if not self._same(key, value)
        }

    def restore(self, values: Mapping[tuple[str, str], Any], device: torch.device | str) -> None:
        """Set what :meth:`changed` returned; a tensor goes where the one it replaces lies, else to ``device``."""
        forget_embeddings(self._module)  # computed from weights that are no longer there
        for (path, name), value in values.items():
            module = self._module.get_submodule(path)
            before = getattr(module, name, None)
            if isinstance(value, Tensor):
                value = value.to(before.device if isinstance(before, Tensor) else device)
            setattr(module, name, from_tensors(value))

    def _values(self) -> Iterator[tuple[tuple[str, str], Any]]:
        for path, module in self._module.named_modules():
            for name, value in vars(module).items():
                plain = isinstance(value, int | float | np.generic | Tensor | None)
                numbers = isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
                if (plain or numbers) and not is_kept_embedding(name):
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
