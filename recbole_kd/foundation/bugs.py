"""What is kept of an error that is nobody's but the program's own, for those who shall mend it."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from recbole_kd.foundation.plain import plain_values
from recbole_kd.foundation.versions import versions

DEBUG = "RECBOLE_KD_DEBUG"  # an environment variable
_REPORT = "CONTRIBUTING.md says where to report it"


def debugging() -> bool:
    """Whether the user asked for tracebacks, by ``--debug`` or ``RECBOLE_KD_DEBUG=1``."""
    return os.environ.get(DEBUG, "").lower() not in ("", "0", "false", "no")


def one_line(error: BaseException, longest: int = 300) -> str:
    """The kind of an error and what it says."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}"[:longest] if said else type(error).__name__


def bug_text(error: BaseException, words: Sequence[str], settings: Mapping[str, Any] | None = None) -> str:
    """All that a report needs: the traceback, versions, the command and its settings.

    Args:
        error: that was raised.
        words: of the command.
        settings: by key, where they are known.
    """
    lines = ["".join(traceback.format_exception(error)).rstrip(), "", "versions"]
    lines += [f"  {name} {version}" for name, version in versions().items()]
    lines += ["", "command", f"  {list(words)!r}", "", "settings"]
    try:
        lines += [f"  {key}: {value!r}" for key, value in plain_values(dict(settings or {})).items()]
    except Exception as other:  # a report must not fail on what it reports
        lines.append(f"  unreadable: {one_line(other)}")
    return "\n".join([*lines, ""])


def keep_bug(text: str, folders: Iterable[str | os.PathLike[str]]) -> Path | None:
    """Write a report into the first folder that can be written, the temporary folder at last; None where none can."""
    name = f"recbole-kd-bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for folder in map(Path, [*folders, tempfile.gettempdir()]):
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with open(path, "x", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
        except (OSError, ValueError):
            continue
        return path
    return None


def where_to_report() -> str:
    """Where the package says that its faults are told."""
    try:
        addresses = metadata.metadata("recbole-kd").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        addresses = []
    for address in addresses:
        name, _, url = address.partition(",")
        if name.strip().lower() in ("issues", "bug tracker", "bugs", "tracker"):
            return f"please report it at {url.strip()}"
    return _REPORT
