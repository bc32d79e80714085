"""Writing files that are either whole or absent, and never through a link that somebody has put in the way."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from logging import getLogger
from pathlib import Path
from typing import IO, Any

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.plain import finite_values
from recbole_kd.foundation.surroundings import refuse_device, writing

_PART = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part", re.DOTALL)
_NOT_PLAIN = (errno.ELOOP, errno.ENXIO, errno.EISDIR)  # what open says of a link, a socket or pipe, a folder


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename inside it outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_checkpoint(path: str | os.PathLike[str]) -> None:
    """Refuse the path of a checkpoint that is none.

    Raises:
        UserError: there is no such file.
    """
    if not Path(path).is_file():
        raise UserError(f"there is no checkpoint at {path}")


@contextmanager
def replacing(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    r"""Open a temporary file beside ``path``; at a clean exit flush it to disk and rename it to ``path``.

    Args:
        path: the file to write; its folder is made if it is missing. A link that lies there is replaced, not followed.
        mode: ``"wb"`` or ``"w"`` (text is UTF-8 with ``\n`` line ends).

    After an exception, or a kill at any moment, ``path`` is what it was before. What a writer of the same file left
    when it was killed is removed.

    Raises:
        CannotWrite: the disk is full, or the file or its folder cannot be written.
    """
    path = Path(path)
    encoding, errors, newline = (None, None, None) if "b" in mode else ("utf-8", "surrogateescape", "\n")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_device(path)
        _remove_leftovers(path.parent, path.name)
        temporary, descriptor = _open_part(path)
    try:
        with writing(path), open(descriptor, mode, encoding=encoding, errors=errors, newline=newline) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(temporary, path)
        with writing(path):
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _open_part(path: Path) -> tuple[Path, int]:
    """A new file beside ``path``; it is locked, so that nobody takes it for a leftover."""
    while True:
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(temporary, descriptor):
            return temporary, descriptor
        os.close(descriptor)  # another process took it for a leftover before it was locked


def is_part(name: str, of: str | None = None) -> bool:
    """Whether :func:`replacing` gives such a name to a temporary file, of any file or of the one called ``of``."""
    found = _PART.fullmatch(name)
    return found is not None and of in (None, found[1])


def _remove_leftovers(folder: Path, of: str) -> None:
    """Remove what writers of ``of`` left that no process holds any more: regular files with names of ours only."""
    with os.scandir(folder) as entries:
        found = [entry.path for entry in entries if is_part(entry.name, of)]
    for part in map(Path, found):
        with suppress(OSError):  # another process removes it too, or it is no file of ours
            descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()
            finally:
                os.close(descriptor)


def own_folder(path: Path) -> Path:
    """Make a folder within one of the user's, or take the one that is there, unless it is a link that leads elsewhere.

    Raises:
        UserError: a link or a file is in its place.
    """
    if path.is_symlink():
        raise UserError(f"{path} is a link, which is not followed where files are written; remove it")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{path} is a file where a folder is needed; remove it") from None
    return path


def open_log(path: Path) -> IO[bytes]:
    """Open a file anew for another process to write to; a link or another file in its place is removed, not followed.

    Raises:
        UserError: its folder is a link or a file.
    """
    own_folder(path.parent)
    path.unlink(missing_ok=True)
    return open(path, "xb")


@contextmanager
def locked(path: str | os.PathLike[str], wait: bool = True) -> Iterator[None]:
    """Let one process at a time into the block; the lock ends with the process, however that ends.

    Args:
        path: a file that is there meanwhile and belongs to the lock; its folder is made. It is never written to.
        wait: until no other process holds it.

    Raises:
        BlockingIOError: without ``wait``, another process holds it.
        UserError: something else than a file, such as a link, is in its place, or a file with more than one name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = _open_lock(path)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    raise
                getLogger().warning(f"waiting for another process, which holds {path}")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_at(path, descriptor):
                continue  # the one before has removed it
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return
        finally:
            os.close(descriptor)


def _open_lock(path: Path) -> int:
    refused = UserError(f"{path} is no lock of recbole-kd but a link, a folder or another file; remove it")
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in _NOT_PLAIN:
            raise refused from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_size:
        os.close(descriptor)
        raise refused
    return descriptor


@contextmanager
def alone_in(folder: Path, command: str, option: str) -> Iterator[None]:
    """Within the block, or until this process is killed, no other one of the same command works in ``folder``.

    Args:
        folder: is made if it is missing.
        command: what works there, as ``tune``.
        option: with which another folder is given, as ``--study_dir``.

    Raises:
        UserError: another process does, or the folder cannot be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / ".lock", wait=False))
        except BlockingIOError:
            raise UserError(f"another recbole-kd {command} works in {folder}; give another {option}") from None
        except FileExistsError:
            raise UserError(f"{option}={folder} is a file; give a folder") from None
        except OSError as error:
            raise UserError(f"cannot write in {folder}: {error.strerror}; give another {option}") from None
        yield


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file still lies at ``path``."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_json(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Write plain values as JSON, whole or not at all; ``null`` stands for NaN and infinity, which are no JSON."""
    with replacing(path, "w") as stream:
        json.dump(finite_values(values), stream, indent=1, allow_nan=False)
        stream.write("\n")
