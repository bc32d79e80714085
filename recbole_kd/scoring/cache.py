"""Reading a teacher's scores from a folder of memory-mapped arrays.

A teacher whose score is a dot product is kept as its two matrices of factors, any other as dense blocks of scores; both
with each user's best items. :mod:`recbole_kd.scoring.build` writes what is read here. Nothing in it is pickled.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.npy import open_array
from recbole_kd.scoring.factors import Factors
from recbole_kd.scoring.manifest import Manifest, check_files, read_manifest, scores_file, topk_file


class TeacherCache:
    """Scores of a trained teacher for any user and item, and each user's best items.

    Rows and columns are RecBole's internal ids; 0 is the padding. Made by :meth:`open`.
    """

    tabled = True

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Memory-map the arrays of a checked cache; nothing is read yet."""
        layout = manifest.layout
        self.folder = folder
        self._manifest = manifest
        self._best = [open_array(folder / topk_file(shard)) for shard in range(layout.n_shards)]
        self._factors: Factors | None = None
        self._scores: list[np.ndarray] = []
        if layout.factorised:
            self._factors = Factors.open(folder)
        else:
            self._scores = [open_array(folder / scores_file(shard)) for shard in range(layout.n_shards)]

    @classmethod
    def open(cls, path: str | os.PathLike[str], verify: bool = True) -> TeacherCache:
        """Open a cache after checking it.

        Args:
            path: its folder.
            verify: compare every file's checksum too, which reads each once.

        Raises:
            UserError: the folder or a file is missing, unfinished, cut short or changed, or of another format.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        try:
            check_files(folder, manifest, verify)
            return cls(folder, manifest)
        except OSError as error:
            raise UserError(f"cannot read the teacher cache {folder}: {error.strerror or error}") from None

    @property
    def n_users(self) -> int:
        """Number of users, the padding included."""
        return self._manifest.layout.n_users

    @property
    def n_items(self) -> int:
        """Number of items, the padding included."""
        return self._manifest.layout.n_items

    @property
    def max_topk(self) -> int:
        """The most best items that :meth:`topk` gives."""
        return self._manifest.layout.topk

    @property
    def masks_train_positives(self) -> bool:
        """Whether training items are left out of the best items."""
        return self._manifest.layout.mask_train_positives

    @property
    def factorised(self) -> bool:
        """Whether :meth:`embeddings` is there."""
        return self._factors is not None

    @property
    def device(self) -> torch.device:
        """Where factors lie; dense scores are read by the CPU."""
        return torch.device("cpu") if self._factors is None else self._factors.device

    @property
    def identity(self) -> dict[str, Any]:
        """What the scores were made from; see :func:`recbole_kd.data.identity.identity_of`."""
        return dict(self._manifest.identity)

    @property
    def record(self) -> dict[str, Any]:
        """What the builder noted besides, such as the teacher's metrics."""
        return dict(self._manifest.record)

    @property
    def digest(self) -> str:
        """A sha256 that changes with any value of the cache; for fingerprints of what is trained from it."""
        return self._manifest.digest()

    def to(self, device: torch.device | str) -> TeacherCache:
        """Keep factors on ``device`` from now on and return the cache itself; dense scores stay on disk."""
        if self._factors is not None:
            self._factors = self._factors.to(device)
        return self

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """User and item factors, (n_users, d) and (n_items, d), float32; memory-mapped if so stored.

        Raises:
            UserError: the cache is dense.
        """
        if self._factors is None:
            raise UserError(
                f"the teacher cache {self.folder} has scores, no embeddings; take a teacher that scores by dot product"
            )
        return self._factors.embeddings()

    def encoded(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Factors of some users (B,) and of all items; errors are those of :meth:`embeddings`."""
        users, items = self.embeddings()
        return users[states.to(users.device)], items

    def topk(self, states: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The ``k`` best items of each user, best first, and their scores.

        Args:
            states: users, (B,) int64.
            k: at most :attr:`max_topk`.

        Returns:
            Items (B, k) int64 and scores (B, k) float32 on the device of ``states``; where a user has fewer than ``k``
            items the rest is item 0 with the score -inf.

        Raises:
            UserError: ``k`` is more than was kept.
            IndexError: a user does not exist.
        """
        if k > self.max_topk:
            what_to_do = (
                f"build it with --cache_topk={k}" if k < self.n_items else f"there are {self.n_items - 1} items"
            )
            raise UserError(
                f"the teacher cache {self.folder} keeps the {self.max_topk} best items of each user (its cache_topk), "
                f"and {k} are asked for; {what_to_do}"
            )
        _check_ids("user", states, self.n_users)
        rows = states.cpu().numpy()
        best = np.empty((len(rows), k), np.int64)
        for shard, chosen, row in self._by_shard(rows):
            best[chosen] = self._best[shard][row, :k]
        items = torch.from_numpy(best).to(states.device)
        return items, self.score(states, items).masked_fill_(items == 0, -torch.inf)

    def score(self, states: Tensor, items: Tensor) -> Tensor:
        """Scores of any items.

        Args:
            states: users, (B,) int64.
            items: (B, n) int64, the items of each user.

        Returns:
            (B, n) float32 on the device of ``states``.

        Raises:
            IndexError: a user or an item does not exist.
        """
        _check_ids("user", states, self.n_users)
        _check_ids("item", items, self.n_items)
        if self._factors is not None:
            return self._factors.score(states, items)
        rows, columns = states.cpu().numpy(), items.cpu().numpy()
        found = np.empty(columns.shape, np.float32)
        for shard, chosen, row in self._by_shard(rows):
            found[chosen] = self._scores[shard][row[:, None], columns[chosen]]
        return torch.from_numpy(found).to(states.device)

    def score_all(self, states: Tensor) -> Tensor:
        """Scores (B, n_items) of every item, float32 on the device of ``states``."""
        if self._factors is not None:
            return self._factors.score_all(states)
        return self.score(states, torch.arange(self.n_items, device=states.device).expand(len(states), -1))

    def computed_once(self) -> TeacherCache:
        """Itself: nothing here is propagated."""
        return self

    def _by_shard(self, users: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield each shard's number, the places in ``users`` that it serves, and its rows for them."""
        shards, rows = np.divmod(users, self._manifest.layout.shard_users)
        for shard in np.unique(shards):
            chosen = np.flatnonzero(shards == shard)
            yield int(shard), chosen, rows[chosen]

    def check(self, identity: Mapping[str, Any]) -> None:
        """Refuse a cache of something else.

        Args:
            identity: what :func:`~recbole_kd.data.identity.identity_of` says of this run; with a ``"teacher"`` in it,
                that is compared too.

        Raises:
            UserError: it names the first thing that differs, and what to do.
        """
        for key in ("version", "dataset", "users", "items", "train", "states", "teacher"):
            mine, theirs = identity.get(key), self._manifest.identity.get(key)
            if mine == theirs or (key == "teacher" and key not in identity):
                continue
            if key == "train":
                seeds = [values.get("seed") for values in (self._manifest.identity, identity)]
                how = f"from other training interactions (its seed is {seeds[0]} and this run's {seeds[1]}; {_SPLIT})"
                if seeds[0] == seeds[1]:
                    how = "from other training interactions, or in another order (that of a sequential teacher needs "
                    how += "--histories=true where no model of the run is one)"
                raise UserError(f"the teacher cache {self.folder} was made {how}; set that seed, or build it again")
            if key == "states":
                how = f"for {theirs or 'users'} as states, and this run has {mine or 'users'} (kd_positions)"
            elif key in ("users", "items"):
                how = f"for other {key}, or for the same in another order ({_short(theirs)} there, {_short(mine)} here)"
            else:
                how = f"with the {_NAMES[key]} {theirs}, and this run has {mine}"
            raise UserError(
                f"the teacher cache {self.folder} was made {how}; build it again, or give another --cache_dir"
            )


_NAMES = {"version": "version", "dataset": "data set", "teacher": "teacher"}
_SPLIT = "the split depends on it"


def _check_ids(what: str, ids: Tensor, size: int) -> None:
    if ids.numel() == 0:
        return
    low, high = (int(bound) for bound in torch.stack(ids.aminmax()).cpu())
    if low < 0 or high >= size:
        raise IndexError(f"{what} {low if low < 0 else high} is not one of the teacher cache's {size} {what}s")


def _short(value: Any) -> str:
    return str(value)[:8]
