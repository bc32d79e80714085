"""One store of modality tensors, shared by a data set and the three splits that are copied from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from recbole_kd.data.features import (
    aligned_rows,
    column_statistics,
    complete,
    counted_rows,
    find_modalities,
    item_ids_of,
    load_features,
)
from recbole_kd.data.item_ids import read_item_ids
from recbole_kd.data.matrix import finite_float32, open_matrix, row_blocks
from recbole_kd.foundation.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Preloaded:
    """A modality that came by RecBole's ``preload_weight``.

    Attributes:
        matrix: (item_num, d_m), aligned to internal item ids, float64 as RecBole makes it.
        present: bool (item_num,), which items have a row; row 0 False.
        source: named in messages.
    """

    matrix: np.ndarray
    present: np.ndarray
    source: str


class FeatureStore:
    """Finds modalities at the first question, loads each at its first use and keeps it.

    Args:
        name: the data set's name.
        folder: where ``<name>.<modality>.npy`` and ``<name>.item_ids`` lie, or ``<name>.<modality>.item_ids``.
        item_tokens: raw token of each internal item id.
        preloaded: modalities by RecBole's own route.
        selected: modalities wanted, in this order; None for all that are found.
        missing_features: see :func:`~recbole_kd.data.features.load_features`.
        feature_norm: see :func:`~recbole_kd.data.features.load_features`.
        prepare: called with ``folder`` before it is looked at; must be a module-level function, for pickling.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        item_tokens: Sequence[str],
        preloaded: Mapping[str, Preloaded] | None = None,
        selected: Sequence[str] | None = None,
        missing_features: str = "error",
        feature_norm: str = "standardise",
        prepare: Callable[[Path], object] | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.item_tokens = item_tokens
        self.missing_features = missing_features
        self.feature_norm = feature_norm
        self._preloaded = dict(preloaded or {})
        self._selected = None if selected is None else tuple(selected)
        self._prepare = prepare
        self._files: dict[str, Path] | None = None
        self._tensors: dict[str, torch.Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        # a saved data set must notice feature files that changed since
        return {**self.__dict__, "_files": None, "_tensors": {}}

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modality names: those selected, in that order, else all that were found, sorted."""
        found = {**self._find_files(), **self._preloaded}
        if self._selected is None:
            return check_modalities(tuple(sorted(found)))
        for modality in self._selected:
            if modality not in found:
                have = ", ".join(sorted(found)) if found else "none"
                raise UserError(
                    f"modality {modality!r} of data set {self.name!r} is not in {self.folder} (found there: {have})"
                    f"{did_you_mean(modality, found) or '; put its features there or change modalities'}"
                )
        return check_modalities(self._selected)

    def get(self, modality: str) -> torch.Tensor:
        """Return float32 (item_num, d_m), row 0 zero; the same tensor at every call, so do not change it."""
        if modality not in self._tensors:
            if modality not in self.modalities:
                raise UserError(
                    f"modality {modality!r} is not among the modalities of data set {self.name!r} "
                    f"({', '.join(self.modalities) or 'none'}){did_you_mean(modality, self.modalities)}"
                )
            self._tensors[modality] = torch.from_numpy(self._load(modality, self.feature_norm))
        return self._tensors[modality]

    def raw(self, modality: str) -> torch.Tensor:
        """Return :meth:`get` as if ``feature_norm`` were ``none``; read at each call."""
        return torch.from_numpy(self._load(modality, "none")) if self.feature_norm != "none" else self.get(modality)

    def coverage(self, modality: str) -> tuple[int, int, int]:
        """How wide a modality's rows are, how many items have one, and how many rows are of no item."""
        items = set(map(str, self.item_tokens[1:]))
        if modality in self._preloaded:
            given = self._preloaded[modality]
            return given.matrix.shape[1], int(given.present.sum()), 0
        rows = set(read_item_ids(item_ids_of(self.folder, self.name, modality)))
        width = open_matrix(self._find_files()[modality], modality).shape[1]
        return width, len(items & rows), len(rows - items)

    def described(self, modality: str) -> np.ndarray:
        """Which items have a row of a modality, bool (item_num,); one of zeros is one."""
        if modality in self._preloaded:
            return self._preloaded[modality].present
        rows = set(read_item_ids(item_ids_of(self.folder, self.name, modality)))
        return np.array([False, *(str(token) in rows for token in self.item_tokens[1:])])

    def further(self, modality: str, rows: np.ndarray, present: np.ndarray) -> torch.Tensor:
        """Rows (n, d_m) of items that the data set has not, normalised and completed as those of its own are.

        Args:
            modality: one of :attr:`modalities`.
            rows: (n, d_m), zero where there is none.
            present: which items have one, bool (n,).

        Raises:
            UserError: they are of another width.
        """
        aligned, counted = self._raw(modality)
        if rows.shape[1] != aligned.shape[1]:
            raise UserError(
                f"modality {modality!r} is {aligned.shape[1]:,} wide, and these rows are {rows.shape[1]:,} wide"
            )
        mean, scale = column_statistics(aligned, counted_rows(aligned, counted, self.missing_features))
        made, without = (rows, mean if self.missing_features == "mean" else 0.0)
        if self.feature_norm != "none":
            made, without = (rows - mean) * scale, 0.0
        return torch.from_numpy(np.where(present[:, None], made, without).astype(np.float32))

    def _load(self, modality: str, feature_norm: str) -> np.ndarray:
        policies = (self.missing_features, feature_norm)
        if modality not in self._preloaded:
            return load_features(*self._file(modality), self.item_tokens, modality, *policies)
        source = self._preloaded[modality].source
        return complete(*self._raw(modality), self.item_tokens, modality, source, *policies)

    def _file(self, modality: str) -> tuple[Path, Path]:
        """Of its matrix, and of the item of each row."""
        return self._find_files()[modality], item_ids_of(self.folder, self.name, modality)

    def _raw(self, modality: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows as they were given, and which items have one."""
        if modality not in self._preloaded:
            return aligned_rows(*self._file(modality), self.item_tokens, modality)
        given = self._preloaded[modality]
        aligned = np.zeros(given.matrix.shape, dtype=np.float32)
        for start, block in row_blocks(given.matrix):
            cast = finite_float32(block, start, self.item_tokens, modality, given.source)
            aligned[start : start + len(block)] = cast
        aligned[~given.present] = 0.0
        return aligned, given.present

    def _find_files(self) -> dict[str, Path]:
        if self._files is None:
            if self._prepare is not None:
                self._prepare(self.folder)
            files = find_modalities(self.folder, self.name)
            for modality in sorted(files.keys() & self._preloaded.keys()):
                raise UserError(
                    f"modality {modality!r} comes from {files[modality]} and from preload_weight; keep one of them"
                )
            self._files = files
        return self._files


def check_modalities(modalities: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names that cannot be those of a model's layers: PyTorch parts names at dots and keeps some to itself.

    Raises:
        UserError: naming the first.
    """
    for name in modalities:
        if "." in name or hasattr(nn.ModuleDict, name):
            better = name.replace(".", "_") if "." in name else f"{name}_features"
            raise UserError(f"a modality cannot be called {name!r}; rename it, in the file's name too, to {better!r}")
    return modalities
