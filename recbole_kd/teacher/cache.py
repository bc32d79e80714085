"""Reading a teacher's scores from a folder of memory-mapped arrays.

A teacher whose score is a dot product is kept as its two matrices of factors, any other as dense blocks of scores; both
with each user's best items. :mod:`recbole_kd.teacher.build` writes what is read here. Nothing in it is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_kd.errors import UserError
from recbole_kd.teacher.manifest import MANIFEST as MANIFEST
from recbole_kd.teacher.manifest import Manifest, check_files, open_array, read_manifest, scores_file, topk_file

_NUMBERS_AT_ONCE = {"cpu": 2**18, "cuda": 2**24}  # on a CPU as much as its cache holds


class TeacherCache:
    """Scores of a trained teacher for any user and item, and each user's best items.

    Rows and columns are RecBole's internal ids; 0 is the padding. Made by :meth:`open`.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Memory-map the arrays of a checked cache; nothing is read yet."""
        layout = manifest.layout
        self.folder = folder
        self._manifest = manifest
        self._best = [open_array(folder / topk_file(shard)) for shard in range(layout.n_shards)]
        self._factors: tuple[Tensor, Tensor] | None = None
        self._scores: list[np.ndarray] = []
        if layout.factorised:
            self._factors = open_factors(folder)
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
    def identity(self) -> dict[str, Any]:
        """What the scores were made from; see :func:`identity_of`."""
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
            users, items = self._factors
            self._factors = users.to(device), items.to(device)
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
        users, items = self._factors
        return users.float(), items.float()

    def topk(self, users: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The ``k`` best items of each user, best first, and their scores.

        Args:
            users: (B,) int64.
            k: at most :attr:`max_topk`.

        Returns:
            Items (B, k) int64 and scores (B, k) float32 on the device of ``users``; where a user has fewer than ``k``
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
        _check_ids("user", users, self.n_users)
        rows = users.cpu().numpy()
        best = np.empty((len(rows), k), np.int64)
        for shard, chosen, row in self._by_shard(rows):
            best[chosen] = self._best[shard][row, :k]
        items = torch.from_numpy(best).to(users.device)
        return items, self.scores(users, items).masked_fill_(items == 0, -torch.inf)

    def scores(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of any items.

        Args:
            users: (B,) int64.
            items: (B, n) int64, the items of each user.

        Returns:
            (B, n) float32 on the device of ``users``.

        Raises:
            IndexError: a user or an item does not exist.
        """
        _check_ids("user", users, self.n_users)
        _check_ids("item", items, self.n_items)
        if self._factors is not None:
            device = self._factors[0].device
            return pair_scores(*self._factors, users.to(device), items.to(device)).to(users.device)
        rows, columns = users.cpu().numpy(), items.cpu().numpy()
        found = np.empty(columns.shape, np.float32)
        for shard, chosen, row in self._by_shard(rows):
            found[chosen] = self._scores[shard][row[:, None], columns[chosen]]
        return torch.from_numpy(found).to(users.device)

    def score_all(self, users: Tensor) -> Tensor:
        """Scores (B, n_items) of every item, float32 on the device of ``users``."""
        if self._factors is not None:
            of_users, of_items = self._factors
            return (of_users[users.to(of_users.device)].float() @ of_items.float().T).to(users.device)
        return self.scores(users, torch.arange(self.n_items, device=users.device).expand(len(users), -1))

    def _by_shard(self, users: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield each shard's number, the places in ``users`` that it serves, and its rows for them."""
        shards, rows = np.divmod(users, self._manifest.layout.shard_users)
        for shard in np.unique(shards):
            chosen = np.flatnonzero(shards == shard)
            yield int(shard), chosen, rows[chosen]

    def prefetch(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
        """Yield :meth:`scores` of each ``(users, items)``, the next being read by one thread meanwhile.

        The thread ends with the iterator, also when that is closed or forgotten before its end. An exception of a
        batch comes where its scores would have come.
        """
        with ThreadPoolExecutor(1, "teacher-cache") as thread:
            ahead: Future[Tensor] | None = None
            for users, items in batches:
                following = thread.submit(self.scores, users, items)
                if ahead is not None:
                    yield ahead.result()
                ahead = following
            if ahead is not None:
                yield ahead.result()

    def check(self, identity: Mapping[str, Any]) -> None:
        """Refuse a cache of something else.

        Args:
            identity: what :func:`identity_of` says of this run; with a ``"teacher"`` in it, that is compared too.

        Raises:
            UserError: it names the first thing that differs, and what to do.
        """
        for key in ("version", "dataset", "users", "items", "train", "teacher"):
            mine, theirs = identity.get(key), self._manifest.identity.get(key)
            if mine == theirs or (key == "teacher" and key not in identity):
                continue
            if key == "train":
                seeds = [values.get("seed") for values in (self._manifest.identity, identity)]
                how = f"from other training interactions (its seed is {seeds[0]} and this run's {seeds[1]}; {_SPLIT})"
                raise UserError(f"the teacher cache {self.folder} was made {how}; set that seed, or build it again")
            if key in ("users", "items"):
                how = f"for other {key}, or for the same in another order ({_short(theirs)} there, {_short(mine)} here)"
            else:
                how = f"with the {_NAMES[key]} {theirs}, and this run has {mine}"
            raise UserError(
                f"the teacher cache {self.folder} was made {how}; build it again, or give another --cache_dir"
            )


_NAMES = {"version": "version", "dataset": "data set", "teacher": "teacher"}
_SPLIT = "the split depends on it"


def open_factors(folder: Path) -> tuple[Tensor, Tensor]:
    """Memory-map the user and item factors of a factorised cache in the dtype on disk."""
    return torch.from_numpy(open_array(folder / "users.npy")), torch.from_numpy(open_array(folder / "items.npy"))


def pair_scores(of_users: Tensor, of_items: Tensor, users: Tensor, items: Tensor) -> Tensor:
    """Dot products (B, n) float32 of the rows ``users`` (B,) with the rows ``items`` (B, n).

    On a CPU a score has the same bits whatever else is asked for at the same time.
    """
    scores = torch.empty(items.shape, device=items.device)
    numbers = _NUMBERS_AT_ONCE.get(items.device.type, 2**24)
    step = max(numbers // max(items.shape[1] * of_items.shape[1], 1), 1)
    for start in range(0, len(users), step):
        rows = slice(start, start + step)
        products = F.embedding(items[rows], of_items).float()  # a copy in either case
        scores[rows] = products.mul_(F.embedding(users[rows], of_users).float().unsqueeze(1)).sum(2)
    return scores


def _check_ids(what: str, ids: Tensor, size: int) -> None:
    if ids.numel() == 0:
        return
    low, high = (int(bound) for bound in torch.stack(ids.aminmax()).cpu())
    if low < 0 or high >= size:
        raise IndexError(f"{what} {low if low < 0 else high} is not one of the teacher cache's {size} {what}s")


def _short(value: Any) -> str:
    return str(value)[:8]


def identity_of(dataset: Any, config_version: str, name: str, seed: int) -> dict[str, Any]:
    """Say what scores of a model depend on besides its weights.

    Args:
        dataset: the training part of a RecBole data set's split.
        config_version: of the software and settings that read the data; kept as ``"version"``.
        name: the data set's.
        seed: of RecBole's split.

    Returns:
        ``version``, ``dataset``, ``seed``, and sha256 digests of the user tokens, of the item tokens (both in the order
        of their ids) and of the training pairs (in any order).
    """
    tokens = {key: dataset.field2id_token[field] for key, field in _fields(dataset).items()}
    users, items = (np.asarray(dataset.inter_feat[field]).astype(np.int64) for field in _fields(dataset).values())
    pairs = np.sort(users * len(tokens["items"]) + items)
    digests = {key: _digest(json.dumps([str(token) for token in values]).encode()) for key, values in tokens.items()}
    return {"version": config_version, "dataset": name, "seed": seed, **digests, "train": _digest(pairs.tobytes())}


def _fields(dataset: Any) -> dict[str, str]:
    return {"users": dataset.uid_field, "items": dataset.iid_field}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
