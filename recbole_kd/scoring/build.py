"""Writing a teacher's scores to a folder, shard by shard, so that a kill costs one shard at most."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from recbole_kd.foundation.bars import tqdm
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing, write_json
from recbole_kd.foundation.npy import write_header
from recbole_kd.foundation.plain import plain_values
from recbole_kd.ops.blocks import SCORES_AT_ONCE
from recbole_kd.ops.ragged import Ragged
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.scoring.factors import Factors
from recbole_kd.scoring.manifest import (
    BUILDING,
    DTYPES,
    MANIFEST,
    Layout,
    Manifest,
    decisive,
    describe_file,
    read_json,
    read_manifest,
)
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.scoring.shard import Rounded, Shard, as_stored

_PART = re.compile(r"\.(manifest\.json|building\.json|(users|items|(scores|topk)-\d{5})\.npy)\.[0-9a-f]{8}\.part")


def build_cache(
    path: str | os.PathLike[str],
    scorer: ModelScores,
    seen: Ragged,
    identity: Mapping[str, Any],
    record: Mapping[str, Any],
    *,
    topk: int = 500,
    dtype: str | None = None,
    mask_train_positives: bool = True,
    shard_users: int = 4096,
    block_scores: int = SCORES_AT_ONCE,
    show_progress: bool = False,
) -> TeacherCache:
    """Write a teacher's scores, or finish what an interrupted call with the same arguments has begun.

    Every user's best items are those of the stored, rounded scores; equal scores go by the lower item id. Under
    ``torchrun`` the ranks write the shards by turns, and what they write is to the byte what one process on the same
    kind of machine writes: PyTorch is held to one thread meanwhile.

    Args:
        path: a new, empty or unfinished folder, shared by all ranks. A finished cache of the same is only opened.
        scorer: of the trained teacher.
        seen: the items that each state has met in training, a row a state.
        identity: what the cache is a cache of; see :func:`recbole_kd.data.identity.identity_of`. Plain values; an
            entry ``config`` is kept and not compared.
        record: anything worth noting; plain values, never compared.
        topk: best items kept of each user; at most ``n_items - 1``.
        dtype: ``"float16"`` or ``"float32"``; by default the latter for factors and the former for dense scores.
        mask_train_positives: leave ``seen`` out of the best items.
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
    n_users, n_items = scorer.n_users, scorer.n_items
    if len(seen) != n_users:
        raise ValueError(f"there are items of {len(seen)} states, and the model scores for {n_users}")
    layout = Layout(kind, dtype, n_users, n_items, min(topk, n_items - 1), mask_train_positives, shard_users)
    folder, plain = Path(path), plain_values(identity)
    rank, world = (dist.get_rank(), dist.get_world_size()) if _distributed() else (0, 1)
    masked = seen if mask_train_positives else None
    with _quiet_model(model), _one_thread(), torch.no_grad():
        with _in_step(folder):
            if rank == 0:
                _prepare(folder, layout, plain)
        if not (folder / MANIFEST).exists():  # nor can it come into being before all ranks are past this line
            with _in_step(folder):
                if rank == 0 and layout.factorised:
                    _write_factors(folder, scorer, dtype)
            with _in_step(folder):
                source = Factors.open(folder).to(model.device) if layout.factorised else Rounded(scorer, dtype)
                bar = tqdm(total=n_users, desc="Teacher cache", unit="user", disable=not show_progress or rank > 0)
                with bar:
                    for shard in range(rank, layout.n_shards, world):
                        write = Shard(folder, layout, shard, source, masked, block_scores)
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


def _write_factors(folder: Path, scorer: ModelScores, dtype: str) -> None:
    if (folder / "users.npy").exists() and (folder / "items.npy").exists():
        return
    for name, factors in zip(("users", "items"), scorer.embeddings(), strict=True):
        stored = as_stored(factors, dtype, f"the {name[:-1]} embeddings")
        with replacing(folder / f"{name}.npy") as stream:
            write_header(stream, tuple(stored.shape), dtype)
            stream.write(stored.cpu().contiguous().numpy().data)


def _finish(folder: Path, layout: Layout, identity: dict[str, Any], record: dict[str, Any]) -> None:
    names = layout.files(width=1)  # the width does not matter to the names
    Manifest(layout, identity, record, {name: describe_file(folder / name) for name in names}).write(folder)
    (folder / BUILDING).unlink(missing_ok=True)
