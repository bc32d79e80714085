"""What a machine refuses a program, told in a sentence: space on a disk, the right to write, memory."""

from __future__ import annotations

import errno
import locale
import os
import re
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recbole_kd.foundation.errors import UserError

_FULL = "no space left on device"
_OF_FULL_DISKS = "free some space and repeat the command"
_ADVICE = {
    errno.ENOSPC: _OF_FULL_DISKS,
    errno.EDQUOT: _OF_FULL_DISKS,
    errno.EFBIG: "raise the limit of the size of a file (ulimit -f) and repeat the command",
    errno.EACCES: "give a folder that you may write in",
    errno.EPERM: "give a folder that you may write in",
    errno.EROFS: "give a folder that you may write in",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOTDIR: "give another folder; a file is in the way",
    errno.EISDIR: "give the name of a file; a folder is in the way",
    errno.EEXIST: "give another folder; a file is in the way",
    errno.ENOENT: "see that it is there and repeat the command",
    errno.EIO: "see what is wrong with the disk and repeat the command",
    errno.EMFILE: "raise the limit of open files (ulimit -n) and repeat the command",
    errno.ENFILE: "close other programs and repeat the command",
}
_WHILE_WRITING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
# What libraries say instead of an OSError with a number: NumPy's tofile, PyTorch's writer of archives.
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written|inline_container|PytorchStreamWriter")
_NO_MEMORY = re.compile(r"can't allocate memory|Unable to allocate|out of memory|not enough memory", re.IGNORECASE)
_AMOUNT = re.compile(r"allocate (?:\(?memory: you tried to allocate )?([\d.]+ ?(?:[KMGTP]i?B|bytes))", re.IGNORECASE)
_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}


_OF_PEOPLE = frozenset({".inter", ".item", ".user", ".npy", ".item_ids", ".yaml", ".yml", ".py", ".pth"})


class CannotWrite(UserError, OSError):
    """The machine refuses to write a file; an ``OSError`` too, for those who go on without the file."""

    def __init__(self, path: str | os.PathLike[str], number: int, reason: str = "") -> None:
        """Args:
        path: the file.
        number: of the fault, as in ``errno``.
        reason: in words; what the machine says of the number where nothing is given.
        """
        reason = (reason or os.strerror(number)).lower()
        advice = _ADVICE.get(number, "mend that and repeat the command")
        super().__init__(f"cannot write {path}: {reason}; {advice}")
        self.errno, self.strerror, self.filename = number, reason, str(path)

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Within the block ``path`` is written; what the machine refuses is a sentence that names it.

    Raises:
        CannotWrite: a full disk, a limit, a right that is missing; also where a library hides that.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        found, refused = fault_of(error), _refused(error)
        other = refused is not None and refused.filename is not None and not _concerns(refused.filename, path)
        if found is None or other:
            raise
        raise CannotWrite(path, *found) from error


def fault_of(error: BaseException) -> tuple[int, str] | None:
    """The number and the words of what the machine refused, which may lie under a library's own error; else None."""
    found = _refused(error)
    if found is not None:
        return found.errno or errno.EIO, found.strerror or ""
    for one in _chain(error):
        if isinstance(one, sqlite3.Error):
            code = getattr(one, "sqlite_errorcode", 0) & 0xFF
            if code in _SQLITE:
                return _SQLITE[code], str(one)
        if isinstance(one, OSError | RuntimeError) and _CUT_SHORT.search(str(one)):
            return errno.ENOSPC, _FULL
    return None


def sentence_of(error: BaseException) -> str | None:
    """What to tell a user of an error that is the machine's or the user's; None where it is a fault of the program."""
    if isinstance(error, UserError):
        return str(error)
    told = _memory(error) or _locale(error)
    if told:
        return told
    found = fault_of(error)
    if found is None:
        return None
    refused = _refused(error)
    reason = (found[1] or os.strerror(found[0])).lower()
    name = getattr(refused, "filename", None)
    what = f"a file cannot be written: {reason}" if name is None else f"{os.fsdecode(name)}: {reason}"
    return f"{what}; {_ADVICE[found[0]]}"


def check_folder(path: str | os.PathLike[str], key: str) -> None:
    """Refuse a folder that files cannot be written in; it need not be there yet, and is not made.

    Args:
        path: the folder.
        key: that named it.

    Raises:
        UserError: it cannot be written, with the reason.
    """
    path = Path(path)
    reason = _misfit(path)
    if not reason:
        nearest = next(folder for folder in (path, *path.absolute().parents) if os.path.lexists(folder))
        if not nearest.is_dir():
            reason = f"{nearest} is no folder"
        elif not os.access(nearest, os.W_OK | os.X_OK):
            reason = f"no right to write in {nearest}"
    if reason:
        raise UserError(f"{key}={path} cannot be written: {reason}; give another --{key}")


def check_file(path: str | os.PathLike[str], key: str) -> None:
    """Refuse the name of a file that cannot be written; arguments and errors are those of :func:`check_folder`."""
    path = Path(path)
    check_folder(path.parent, key)
    reason = _misfit(path.with_name(f"{path.name}{' ' * 15}"))  # a part has a longer name
    if reason:
        raise UserError(f"{key}={path} cannot be written: {reason}; give another --{key}")
    refuse_device(path)
    if path.is_file() and path.suffix in _OF_PEOPLE:
        raise UserError(f"{key}={path} is there already, and looks like data or settings; give another name")
    if path.is_dir():
        raise UserError(f"{key}={path} is a folder; give the name of a file")


def refuse_device(path: Path) -> None:
    """Refuse the name of a device, a pipe or a socket, which a file that is written whole would take the place of.

    Raises:
        UserError: there is one, or a link to one.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    system = path.parent.absolute() == Path("/dev")  # where /dev/stdout may be a file at the moment
    if system or (not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)):
        raise UserError(f"{path} is a device or a pipe, and would be replaced by a file; give the name of a file")


def _misfit(path: Path) -> str:
    """Why no file can have this name, "" where one can."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:  # too long, a loop of links, a folder that may not be entered, a NUL
        return str(getattr(error, "strerror", None) or error).lower()
    return ""


def _concerns(found: str | bytes | os.PathLike[str], path: str | os.PathLike[str]) -> bool:
    """Whether an error about ``found`` is one of writing ``path``: about its folders, or a part beside it."""
    one, other = Path(os.path.abspath(os.fsdecode(found))), Path(os.path.abspath(path))
    return one.parent == other.parent or one in other.parents


def _refused(error: BaseException) -> OSError | None:
    """The machine's own error among those that led to ``error``.

    One that was merely handled as another came is taken for the cause only where it says that nothing more can be
    written: whoever writes a file's end then fails a second time, in words of its own.
    """
    for one in _chain(error):
        led = one is error or one in _causes(error)
        if isinstance(one, OSError) and one.errno in (_ADVICE if led else _WHILE_WRITING):
            return one
    return None


def _memory(error: BaseException) -> str | None:
    """Of an error that means that memory ran out, what to lower."""
    short = any(
        isinstance(one, MemoryError) or (isinstance(one, RuntimeError) and _NO_MEMORY.search(str(one)))
        for one in _chain(error)
    )
    if not short:
        return None
    amount = next((found[1] for one in _chain(error) if (found := _AMOUNT.search(str(one)))), "")
    asked = f" ({amount} were asked for)" if amount else ""
    return (
        f"memory ran out{asked}; lower train_batch_size, eval_batch_size, embedding_size or cache_topk, or use a "
        "machine with more"
    )


def _locale(error: BaseException) -> str | None:
    """Of an error that comes from a locale that knows ASCII alone, what to set."""
    encodings = {locale.getpreferredencoding(False).lower(), sys.getfilesystemencoding().lower()}
    if not isinstance(error, UnicodeError) or encodings <= {"utf-8", "utf8"}:
        return None
    return f"this locale has no name for some characters ({error}); set PYTHONUTF8=1 and repeat the command"


def _chain(error: BaseException) -> list[BaseException]:
    """The error and those before it, the last one first."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in found:
        found.append(one)
        one = one.__cause__ or one.__context__
    return found


def _causes(error: BaseException) -> list[BaseException]:
    """Those that ``error`` was raised from."""
    found: list[BaseException] = []
    one = error.__cause__
    while one is not None and one not in found:
        found.append(one)
        one = one.__cause__
    return found
