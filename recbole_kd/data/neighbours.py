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

_SCORES_AT_ONCE = 2**25
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

    Args:
        features: (n_items, d); row 0 is the padding. A row of zeros is an item without features, nobody's neighbour.
        k: at least 1.
        show_progress: draw a bar where this takes long.
        scores_at_once: similarities that are in memory at once.
    """
    n_items = len(features)
    norms = features.norm(dim=1)
    scale = torch.where(norms > 0, 1 / norms, 0)
    known = norms > 0
    known[0] = False
    k_found = min(k, n_items)
    items = torch.zeros(n_items, k, dtype=torch.int64, device=features.device)
    similarity = torch.zeros(n_items, k, device=features.device)
    long = n_items * n_items * features.shape[1] > _LONG
    with tqdm(total=n_items, desc="Nearest items", unit="item", disable=not (show_progress and long)) as bar:
        for rows in blocks(torch.arange(n_items, device=features.device), n_items, scores_at_once):
            scores = (features[rows] * scale[rows, None]) @ features.T * scale
            scores[:, ~known] = -torch.inf
            scores[torch.arange(len(rows)), rows] = -torch.inf
            best = scores.topk(k_found, dim=1)
            found = (best.values > -torch.inf) & known[rows, None]
            items[rows, :k_found] = best.indices.masked_fill(~found, 0)
            similarity[rows, :k_found] = best.values.masked_fill(~found, 0)
            bar.update(len(rows))
    return Neighbours(items, similarity)


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
