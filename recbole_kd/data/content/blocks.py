"""Encoding in blocks, each kept on disk as it is finished, so that a killed command goes on where it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from recbole_kd.foundation.files import is_part, replacing
from recbole_kd.foundation.npy import NpyError, read_arrays

Input = TypeVar("Input")
_BLOCK = re.compile(r"\d{6,}\.npz")


@dataclass
class Block:
    """What an encoder made of some inputs.

    Attributes:
        rows: float32 (k, width) of those inputs that have a row.
        kept: bool (n,), which of the inputs have one; k are True.
        notes: by what is said of them, the names of inputs.
    """

    rows: np.ndarray
    kept: np.ndarray
    notes: dict[str, list[str]] = field(default_factory=dict)


def encoded(
    inputs: Sequence[Input], encode: Callable[[Sequence[Input]], Block], size: int, folder: Path, work: str
) -> Iterator[Block]:
    """Yield the block of each ``size`` inputs; one that is in ``folder`` already is not encoded again.

    Blocks are always cut at the same inputs, so that a command that was killed gives the bytes of one that was not.

    Args:
        inputs: all of them.
        encode: of at most ``size`` inputs.
        size: of a block.
        folder: of finished blocks; it is there, and nobody else works in it.
        work: the digest of all that the rows depend on; blocks of other work are made anew.

    Raises:
        CannotWrite: a block cannot be kept.
    """
    for index, start in enumerate(range(0, len(inputs), size)):
        part = inputs[start : start + size]
        path = folder / f"{index:06}.npz"
        block = _kept(path, work, len(part))
        if block is None:
            block = encode(part)
            _keep(path, work, block)
        yield block


def forget(folder: Path) -> None:
    """Remove the blocks in a folder, and the folder if nothing else is in it."""
    for path in list(folder.iterdir()):
        if _BLOCK.fullmatch(path.name) or is_part(path.name):
            path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _keep(path: Path, work: str, block: Block) -> None:
    with replacing(path) as stream:
        np.savez(
            stream,
            rows=block.rows.astype(np.float32, copy=False),
            kept=block.kept.astype(bool, copy=False),
            work=_bytes(work),
            notes=_bytes(json.dumps(block.notes)),
        )


def _kept(path: Path, work: str, count: int) -> Block | None:
    """A finished block; None where there is none, or one that is damaged or of other work."""
    if path.is_symlink():
        return None
    try:
        found = read_arrays(path)
    except (NpyError, OSError):
        return None
    try:
        if found["work"].tobytes().decode() != work:
            return None
        rows, kept = found["rows"], found["kept"]
        notes = json.loads(found["notes"].tobytes())
    except (KeyError, ValueError):
        return None
    sound = (
        rows.dtype == np.float32
        and rows.ndim == 2
        and kept.dtype == np.bool_
        and kept.shape == (count,)
        and len(rows) == kept.sum()
        and bool(np.isfinite(rows).all())
    )
    named = isinstance(notes, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in notes.values()
    )
    return Block(rows, kept, notes) if sound and named else None


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)
