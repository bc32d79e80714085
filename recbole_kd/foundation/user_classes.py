"""A class of the user's own, named ``package.module:Class`` on the command line."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from recbole_kd.foundation.digest import sha256_of
from recbole_kd.foundation.errors import UserError, did_you_mean

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_class_path(name: str) -> bool:
    """Whether a name is written as ``package.module:Class``."""
    return bool(_PATH.fullmatch(name))


def import_class(path: str) -> type:
    """The class that ``package.module:Class`` names; importing it runs the module.

    The working folder is searched after all others, and for this import alone, so that a file in it never takes the
    place of an installed module.

    Raises:
        UserError: there is no such module or class, or the module fails.
    """
    module_name, _, class_name = path.partition(":")
    try:
        with _working_folder():
            module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UserError(
                f"{path}: there is no module {error.name!r} in {Path.cwd()} or among the installed packages"
            ) from None
        raise UserError(f"{path}: {_failure(error)}") from error
    except (Exception, SystemExit) as error:  # whatever the user's module does wrong
        raise UserError(f"{path}: {_failure(error)}") from error
    found = getattr(module, class_name, None)
    if not inspect.isclass(found):
        classes = [name for name, value in vars(module).items() if inspect.isclass(value)]
        where = getattr(module, "__file__", None) or module_name
        raise UserError(f"{path}: {where} has no class {class_name!r}{did_you_mean(class_name, classes)}")
    return found


def source_digest(found: type) -> str:
    """A digest of the file that a class is written in, ``""`` where there is none."""
    try:
        file = inspect.getsourcefile(found)
        return sha256_of(Path(file).read_bytes())[:16] if file else ""
    except (OSError, TypeError):
        return ""


@contextmanager
def _working_folder() -> Iterator[None]:
    folder = str(Path.cwd())
    added = folder not in sys.path
    if added:
        sys.path.append(folder)
    try:
        yield
    finally:
        if added:
            sys.path.remove(folder)


def _failure(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}"
    else:
        where = "".join(f"{frame.filename}, line {frame.lineno}" for frame in last)
    reason = " ".join(str(error).split())
    return f"importing it fails: {type(error).__name__}{f': {reason}' if reason else ''} ({where})"
