"""Writing files that are either whole or absent."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from logging import getLogger
from pathlib import Path
from typing import IO, Any

from recbole_kd.foundation.plain import finite_values
from recbole_kd.foundation.surroundings import writing


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename inside it outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    r"""Open a temporary file beside ``path``; at a clean exit flush it to disk and rename it to ``path``.

    Args:
        path: the file to write; its folder is made if it is missing.
        mode: ``"wb"`` or ``"w"`` (text is UTF-8 with ``\n`` line ends).

    After an exception, or a kill at any moment, ``path`` is what it was before.

    Raises:
        CannotWrite: the disk is full, or the file or its folder cannot be written.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with writing(path), open(temporary, mode.replace("w", "x"), encoding=encoding, newline=newline) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        with writing(path):
            os.replace(temporary, path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: str | os.PathLike[str], wait: bool = True) -> Iterator[None]:
    """Let one process at a time into the block; the lock ends with the process, however that ends.

    Args:
        path: a file that is there meanwhile and belongs to the lock; its folder is made.
        wait: until no other process holds it.

    Raises:
        BlockingIOError: without ``wait``, another process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(path, "w", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    raise
                getLogger().warning(f"waiting for another process, which holds {path}")
                fcntl.flock(stream, fcntl.LOCK_EX)
            if not _is_at(path, stream):
                continue  # the one before has removed it
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_at(path: Path, stream: IO[str]) -> bool:
    """Whether an open file still lies at ``path``."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def write_json(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Write plain values as JSON, whole or not at all; ``null`` stands for NaN and infinity, which are no JSON."""
    with replacing(path, "w") as stream:
        json.dump(finite_values(values), stream, indent=1, allow_nan=False)
        stream.write("\n")
