"""The items most like each item by their features, found block by block and kept in a file."""

from __future__ import annotations

import hashlib
from logging import getLogger
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_kd.foundation.bars import tqdm
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import own_folder, replacing
from recbole_kd.foundation.npy import NpyError, read_arrays
from recbole_kd.ops.blocks import blocks
from recbole_kd.ops.top_scores import best_columns

_SCORES_AT_ONCE = 2**25
_HALVED_FROM = 256  # features: from there on each product of two items is computed once, for both of them
_LONG = 2**36  # multiplications worth a progress bar


class Neighbours(NamedTuple):
    """``items`` int64 (n_items, k), nearest first, and their cosine ``similarity`` float32 (n_items, k).

    An item is no neighbour of its own; where it has fewer than k, or no features at all, the rest is item 0 with
    similarity 0.
    """

    items: Tensor
    similarity: Tensor

    def binary(self) -> Neighbours:
        """The same neighbours, all with similarity 1."""
        return Neighbours(self.items, (self.items > 0).float())

    def normalised(self) -> Neighbours:
        """``D^-1/2 S D^-1/2`` of the similarities ``S``, negative ones as 0, with their row sums ``D``."""
        similarity = self.similarity.relu()
        scale = (similarity.sum(dim=1, keepdim=True) + 1e-7).rsqrt()
        return Neighbours(self.items, scale * similarity * F.embedding(self.items, scale).squeeze(2))

    def matrix(self) -> sp.csr_array:
        """Items × items with the similarities as entries: (i, j) is there if j is a neighbour of i."""
        n_items, k = self.items.shape
        columns, entries = (part.detach().cpu().numpy().ravel() for part in self)
        filled = columns > 0
        rows = np.repeat(np.arange(n_items), k)[filled]
        return sp.csr_array((entries[filled], (rows, columns[filled])), shape=(n_items, n_items))


@torch.no_grad()
def nearest_items(
    features: Tensor, k: int, show_progress: bool = False, scores_at_once: int = _SCORES_AT_ONCE
) -> Neighbours:
    """The ``k`` items of largest cosine to each item, block by block: never an (n_items, n_items) matrix.

    Of equal ones that with the lower id; rows of many features that are copies may round differently, and rank so.

    Args:
        features: (n_items, d); row 0 is the padding. A row of zeros is an item without features, nobody's neighbour.
        k: at least 1.
        show_progress: draw a bar where this takes long.
        scores_at_once: similarities that are in memory at once.
    """
    n_items = len(features)
    norms = features.norm(dim=1)
    scale = torch.where(norms > 0, 1 / norms, 0)
    unknown = norms == 0
    unknown[:1] = True
    found = _Best(n_items, k, features.device)
    halved = features.shape[1] >= _HALVED_FROM
    numbers = min(scores_at_once, max(n_items // 16, 1) * n_items) if halved else scores_at_once
    long = n_items * n_items * features.shape[1] > _LONG
    with tqdm(total=n_items, desc="Nearest items", unit="item", disable=not (show_progress and long)) as bar:
        for rows in blocks(torch.arange(n_items, device=features.device), n_items, numbers):
            first, end = int(rows[0]), int(rows[-1]) + 1
            others = slice(first if halved else 0, n_items)
            scores = (features[first:end] * scale[first:end, None]) @ features[others].T
            scores *= scale[others]
            scores[:, unknown[others]] = -torch.inf
            scores[unknown[first:end]] = -torch.inf
            scores[rows - first, rows - others.start] = -torch.inf
            found.add(slice(first, end), scores, others.start)
            if halved and end < n_items:
                found.add(slice(end, n_items), scores[:, len(rows) :].T.contiguous(), first)
            bar.update(len(rows))
    return found.neighbours()


class _Best:
    """The best of the similarities that were found so far."""

    def __init__(self, n_items: int, k: int, device: torch.device) -> None:
        self._items = torch.zeros(n_items, k, dtype=torch.int64, device=device)
        self._scores = torch.full((n_items, k), -torch.inf, device=device)

    def add(self, rows: slice, scores: Tensor, first: int) -> None:
        """Learn what the items ``rows`` score with ``first`` and the items after it, (b, n), none of it known."""
        k = self._items.shape[1]
        values, columns = best_columns(scores, min(k, scores.shape[1]))
        values = torch.cat([self._scores[rows], values], dim=1)
        items = torch.cat([self._items[rows], columns + first], dim=1)
        best = values.sort(dim=1, descending=True, stable=True)
        self._scores[rows], self._items[rows] = best.values[:, :k], items.gather(1, best.indices[:, :k])

    def neighbours(self) -> Neighbours:
        """What was found, 0 where nothing was."""
        nothing = self._scores == -torch.inf
        return Neighbours(self._items.masked_fill(nothing, 0), self._scores.masked_fill(nothing, 0))


def cached_neighbours(folder: Path, name: str, features: Tensor, k: int, show_progress: bool = False) -> Neighbours:
    """:func:`nearest_items`, kept in ``folder`` under a name that changes with the features and ``k``.

    A file that is damaged is made again; a folder that cannot be written costs the time again, and the log says so.

    Args:
        folder: made if it is missing.
        name: of the modality, for people who look into the folder.
        features: (n_items, d), on the CPU.
        k: neighbours of an item.
        show_progress: draw a bar where this takes long.
    """
    digest = hashlib.sha256(np.ascontiguousarray(features.numpy()).data)
    path = folder / f"{name}-{k}-{digest.hexdigest()[:16]}.npz"
    found = _read(path, (len(features), k))
    if found is not None:
        return found
    found = nearest_items(features, k, show_progress)
    try:
        own_folder(folder)
        with replacing(path) as stream:
            np.savez(stream, items=found.items.numpy().astype(np.int32), similarity=found.similarity.numpy())
    except (OSError, UserError) as error:
        getLogger().warning(f"cannot keep the nearest items in {folder}: {getattr(error, 'strerror', None) or error}")
    return found


def _read(path: Path, shape: tuple[int, int]) -> Neighbours | None:
    try:
        arrays = read_arrays(path)
        items, similarity = (torch.from_numpy(arrays[name]) for name in ("items", "similarity"))
    except (NpyError, KeyError, TypeError):
        return None
    items = items.long()
    whole = items.shape == shape and similarity.shape == shape and similarity.dtype == torch.float32
    return Neighbours(items, similarity) if whole and not _outside(items, shape[0]) else None


def _outside(items: Tensor, n_items: int) -> bool:
    return bool(items.numel()) and (int(items.min()) < 0 or int(items.max()) >= n_items)
