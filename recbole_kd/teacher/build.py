"""Writing a teacher's scores to a folder, shard by shard, so that a kill costs one shard at most."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch import distributed as dist
from tqdm import tqdm

from recbole_kd.checkpoint import plain_values
from recbole_kd.errors import UserError
from recbole_kd.files import replacing, write_json
from recbole_kd.order import NEVER, largest, sort_keys
from recbole_kd.scorer import Scorer
from recbole_kd.teacher.cache import TeacherCache, open_factors, pair_scores
from recbole_kd.teacher.manifest import (
    BUILDING,
    DTYPES,
    MANIFEST,
    Layout,
    Manifest,
    decisive,
    describe_file,
    read_json,
    read_manifest,
    scores_file,
    topk_file,
    write_header,
)

_PART = re.compile(r"\.(manifest\.json|building\.json|(users|items|(scores|topk)-\d{5})\.npy)\.[0-9a-f]{8}\.part")
_SPARE = 16  # candidates beyond the top-K, in case the block product rounds otherwise than the stored order


def build_cache(
    path: str | os.PathLike[str],
    scorer: Scorer,
    positives: sp.csr_matrix,
    identity: Mapping[str, Any],
    record: Mapping[str, Any],
    *,
    topk: int = 500,
    dtype: str | None = None,
    mask_train_positives: bool = True,
    shard_users: int = 4096,
    block_scores: int = 2**21,
    show_progress: bool = False,
) -> TeacherCache:
    """Write a teacher's scores, or finish what an interrupted call with the same arguments has begun.

    Every user's best items are those of the stored, rounded scores; equal scores go by the lower item id. Under
    ``torchrun`` the ranks write the shards by turns, and what they write is to the byte what one process on the same
    kind of machine writes: PyTorch is held to one thread meanwhile.

    Args:
        path: a new, empty or unfinished folder, shared by all ranks. A finished cache of the same is only opened.
        scorer: of the trained teacher.
        positives: training interactions (n_users, n_items); an entry is an interaction.
        identity: what the cache is a cache of; see :func:`recbole_kd.teacher.cache.identity_of`. Plain values; an
            entry ``config`` is kept and not compared.
        record: anything worth noting; plain values, never compared.
        topk: best items kept of each user; at most ``n_items - 1``.
        dtype: ``"float16"`` or ``"float32"``; by default the latter for factors and the former for dense scores.
        mask_train_positives: leave ``positives`` out of the best items.
        shard_users: users a shard.
        block_scores: scores that are in memory at once.
        show_progress: draw a progress bar over the users.

    Raises:
        UserError: a score is NaN, infinite or too large for float16; the folder holds something else or cannot be
            written; an argument is out of range. Where one rank fails so, all raise the same.
    """
    model = scorer.model
    dtype = dtype or ("float32" if scorer.factorised else "float16")
    if dtype not in DTYPES:
        raise UserError(f"cache_dtype is {dtype!r}; set it to float16 or float32")
    if topk < 1:
        raise UserError(f"cache_topk is {topk}; set it to at least 1")
    if shard_users < 1 or block_scores < 1:
        raise ValueError(f"shard_users is {shard_users} and block_scores {block_scores}; both must be positive")
    kind = "factors" if scorer.factorised else "scores"
    n_users, n_items = int(model.n_users), int(model.n_items)
    if positives.shape != (n_users, n_items):
        raise ValueError(f"positives have shape {positives.shape} for a model of {n_users} users and {n_items} items")
    layout = Layout(kind, dtype, n_users, n_items, min(topk, n_items - 1), mask_train_positives, shard_users)
    folder, plain = Path(path), plain_values(identity)
    rank, world = (dist.get_rank(), dist.get_world_size()) if _distributed() else (0, 1)
    masked = sp.csr_matrix(positives) if mask_train_positives else None
    with _quiet_model(model), _one_thread(), torch.no_grad():
        with _in_step(folder):
            if rank == 0:
                _prepare(folder, layout, plain)
        if not (folder / MANIFEST).exists():  # nor can it come into being before all ranks are past this line
            with _in_step(folder):
                if rank == 0 and layout.factorised:
                    _write_factors(folder, scorer, dtype)
            with _in_step(folder):
                blocks = _factor_blocks(folder, model.device) if layout.factorised else _dense_blocks(scorer, dtype)
                bar = tqdm(total=n_users, desc="Teacher cache", unit="user", disable=not show_progress or rank > 0)
                with bar:
                    for shard in range(rank, layout.n_shards, world):
                        write = _Shard(folder, layout, shard, blocks, masked, max(block_scores // n_items, 1))
                        write(lambda rows: bar.update(rows * world))
            with _in_step(folder):
                if rank == 0:
                    _finish(folder, layout, plain, plain_values(record))
    with _in_step(folder):
        cache = TeacherCache.open(folder)
    return cache


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


@contextmanager
def _in_step(folder: Path) -> Iterator[None]:
    """Do something on every rank, and go on when all have done it; what the user can mend on one is raised on all."""
    error: UserError | None = None
    try:
        yield
    except UserError as raised:
        error = raised
    except OSError as raised:
        error = UserError(f"cannot write the teacher cache {folder}: {raised.strerror or raised}; mend that and repeat")
    if _distributed():
        messages: list[str | None] = [None] * dist.get_world_size()
        dist.all_gather_object(messages, None if error is None else str(error))
        error = error or next((UserError(message) for message in messages if message is not None), None)
    if error is not None:
        raise error


@contextmanager
def _quiet_model(model: torch.nn.Module) -> Iterator[None]:
    """Without dropout; as it was afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of several threads differ in their last bits from sums of one, and torchrun gives its ranks one each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _prepare(folder: Path, layout: Layout, identity: dict[str, Any]) -> None:
    """Make the folder ready: new and marked as ours, or left by an interrupted build of the same, or finished."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give a folder as --cache_dir")
    folder.mkdir(parents=True, exist_ok=True)
    mine = {**asdict(layout), "identity": decisive(identity)}
    marker = folder / BUILDING
    if (folder / MANIFEST).exists():
        manifest = read_manifest(folder)
        _compare(folder, "a teacher cache", {**asdict(manifest.layout), "identity": decisive(manifest.identity)}, mine)
        marker.unlink(missing_ok=True)
    elif marker.exists():
        _compare(folder, "an unfinished cache", read_json(marker), mine)
    else:
        foreign = sorted(entry.name for entry in folder.iterdir() if not _PART.fullmatch(entry.name))
        if foreign:
            raise UserError(f"{folder} holds other files ({foreign[0]}); give a new or empty folder as --cache_dir")
        write_json(marker, mine)
    for entry in folder.iterdir():
        if _PART.fullmatch(entry.name):
            entry.unlink()


def _compare(folder: Path, what: str, theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    if theirs == mine:
        return
    pairs = [(key, theirs.get(key), value) for key, value in mine.items() if key != "identity"]
    there = theirs.get("identity")
    there = there if isinstance(there, dict) else {}
    pairs += [(key, there.get(key), mine["identity"].get(key)) for key in sorted({*there, *mine["identity"]})]
    key, old, new = next(((key, old, new) for key, old, new in pairs if old != new), ("format", "another", "this"))
    short = all(len(str(value)) <= 40 for value in (old, new))
    differs = f"its {key} is {old} and not {new}" if short else f"its {key} differs"
    raise UserError(f"{folder} holds {what} of something else: {differs}; delete it or give another --cache_dir")


def _write_factors(folder: Path, scorer: Scorer, dtype: str) -> None:
    if (folder / "users.npy").exists() and (folder / "items.npy").exists():
        return
    for name, factors in zip(("users", "items"), scorer.embeddings(), strict=True):
        stored = _stored(factors, dtype, f"the {name[:-1]} embeddings")
        with replacing(folder / f"{name}.npy") as stream:
            write_header(stream, tuple(stored.shape), dtype)
            stream.write(stored.cpu().contiguous().numpy().data)


def _stored(values: Tensor, dtype: str, what: str) -> Tensor:
    """Round to the dtype on disk; refuse what is no number there."""
    stored = values.detach().to(getattr(torch, dtype))
    if torch.isfinite(stored).all():
        return stored
    if torch.isnan(values).any():
        raise UserError(f"{what} of the teacher hold NaN; train it again with a smaller learning_rate")
    if torch.isinf(values).any():
        raise UserError(f"{what} of the teacher hold infinity; train it again with a smaller learning_rate")
    largest = values.abs().max().item()
    raise UserError(f"{what} of the teacher reach {largest:.3g}, too much for float16; use --cache_dtype=float32")


@dataclass(frozen=True)
class _Blocks:
    """How blocks of scores are made.

    ``of`` gives stored scores (b, n_items) of users (b,), in the dtype on disk for a dense teacher. ``exact`` gives
    the scores that a reader gets for (b,) users and (b, n) items, where these may differ from ``of`` in the last bits.
    """

    of: Callable[[Tensor], Tensor]
    exact: Callable[[Tensor, Tensor], Tensor] | None
    device: torch.device


def _factor_blocks(folder: Path, device: torch.device) -> _Blocks:
    users, items = (factors.to(device) for factors in open_factors(folder))
    across = items.float().T
    return _Blocks(
        lambda rows: users[rows].float() @ across, lambda rows, some: pair_scores(users, items, rows, some), device
    )


def _dense_blocks(scorer: Scorer, dtype: str) -> _Blocks:
    return _Blocks(lambda rows: _stored(scorer.score_all(rows), dtype, "the scores"), None, scorer.model.device)


@dataclass(frozen=True)
class _Shard:
    """Writes one shard's files unless they are there. The blocks within a shard do not depend on the other shards."""

    folder: Path
    layout: Layout
    number: int
    blocks: _Blocks
    masked: sp.csr_matrix | None
    rows_at_once: int

    def __call__(self, report: Callable[[int], object]) -> None:
        users, dense = self.layout.users_of(self.number), not self.layout.factorised
        best_file, dense_file = (self.folder / name(self.number) for name in (topk_file, scores_file))
        if best_file.exists() and (dense_file.exists() or not dense):
            report(len(users))
            return
        if dense:
            with replacing(dense_file) as stream:
                write_header(stream, (len(users), self.layout.n_items), self.layout.dtype)
                best = self._best(users, report, lambda block: stream.write(block.cpu().contiguous().numpy().data))
        else:
            best = self._best(users, report, lambda block: None)
        with replacing(best_file) as stream:
            write_header(stream, best.shape, "int32")
            stream.write(best.data)

    def _best(self, users: range, report: Callable[[int], object], keep: Callable[[Tensor], object]) -> np.ndarray:
        best = np.empty((len(users), self.layout.topk), np.int32)
        for start in range(users.start, users.stop, self.rows_at_once):
            rows = torch.arange(start, min(start + self.rows_at_once, users.stop), device=self.blocks.device)
            block = self.blocks.of(rows)
            keep(block)
            best[start - users.start :][: len(rows)] = self._choose(rows, block).cpu().numpy()
            report(len(rows))
        return best

    def _choose(self, rows: Tensor, block: Tensor) -> Tensor:
        """The best items (b, topk) of a block (b, n_items)."""
        keys = sort_keys(block, torch.arange(block.shape[1], device=block.device))
        keys[:, 0] = NEVER
        if self.masked is not None:
            part = self.masked[int(rows[0]) : int(rows[-1]) + 1].tocoo()
            keys[torch.from_numpy(part.row).long(), torch.from_numpy(part.col).long()] = NEVER
        if self.blocks.exact is None:
            return largest(keys, self.layout.topk)
        candidates = largest(keys, min(self.layout.topk + _SPARE, block.shape[1] - 1))
        keys = sort_keys(self.blocks.exact(rows, candidates), candidates)
        return largest(keys.masked_fill_(candidates == 0, NEVER), self.layout.topk)


def _finish(folder: Path, layout: Layout, identity: dict[str, Any], record: dict[str, Any]) -> None:
    names = layout.files(width=1)  # the width does not matter to the names
    Manifest(layout, identity, record, {name: describe_file(folder / name) for name in names}).write(folder)
    (folder / BUILDING).unlink(missing_ok=True)
