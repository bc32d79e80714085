"""Where log records go: a file, whatever is in it, and a screen, which gets what is meant for people."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recbole_kd.foundation.bars import tqdm
from recbole_kd.foundation.surroundings import fault_of

SHOWN = logging.getLogger("recbole_kd")  # what is said here at INFO is for the screen too, all else for the file
_COLOURS = re.compile(r"\x1B\[[0-9;]*m")


class Colourless(logging.Formatter):
    """Records without the colours that RecBole gives them."""

    def format(self, record: logging.LogRecord) -> str:
        """The text."""
        return _COLOURS.sub("", super().format(record))


class LogFile(logging.FileHandler):
    """A new file of log records in UTF-8; a disk that fills ends the file, not the run."""

    def __init__(self, path: Path, level: int) -> None:
        """Open it.

        Args:
            path: its folder is made; where a file is there already, the name gets a number.
            level: the lowest that is kept.

        Raises:
            OSError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        stem, number = path.stem, 1
        while path.is_symlink() or path.exists():
            number += 1
            path = path.with_name(f"{stem}-{number}{path.suffix}")
        super().__init__(path, mode="x", encoding="utf-8", errors="backslashreplace")
        self.setLevel(level)
        self.setFormatter(Colourless("%(asctime)-15s %(levelname)s  %(message)s", "%a %d %b %Y %H:%M:%S"))

    def handleError(self, record: logging.LogRecord) -> None:
        """End the file, and say so once."""
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        logging.getLogger().removeHandler(self)
        with suppress(OSError, ValueError):
            self.close()
        reason = ((error and fault_of(error)) or (0, str(error)))[1].lower()
        logging.getLogger().warning(f"the log {self.baseFilename} ends here: {reason}")

    def close(self) -> None:
        """Close the file, what cannot be flushed being lost."""
        with suppress(OSError, ValueError):
            super().close()


class Screen(logging.Handler):
    """Standard error: what is meant for people, above a progress bar if there is one."""

    def __init__(self, level: int) -> None:
        """Args:
        level: the lowest that is shown.
        """
        super().__init__(level)
        self.setFormatter(Colourless("%(asctime)s  %(message)s", "%d %b %H:%M"))

    def filter(self, record: logging.LogRecord) -> bool:
        """Warnings, and what is said to :data:`SHOWN`."""
        shown = record.levelno >= logging.WARNING or record.name.startswith(SHOWN.name)
        return shown and bool(super().filter(record))

    def format(self, record: logging.LogRecord) -> str:
        """One that is told from a result and from the sentence at the end."""
        if record.levelno >= logging.WARNING:
            return _COLOURS.sub("", f"recbole-kd: {record.levelname.lower()}: {record.getMessage()}")
        return super().format(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Print it, if there is anything to print on."""
        with suppress(OSError, ValueError):
            tqdm.write(self.format(record), file=sys.stderr)


@contextmanager
def warnings_on_screen(ours_alone: bool = False) -> Iterator[None]:
    """Within the block warnings are shown as those of a run are: of whoever logs one, or those to :data:`SHOWN`."""
    handler, root = Screen(logging.WARNING), logging.getLogger()
    if ours_alone:
        handler.addFilter(logging.Filter(SHOWN.name))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


def level_of(state: object) -> int:
    """The level that RecBole's key ``state`` names; INFO where it names none."""
    return logging.getLevelNamesMapping().get(str(state).upper(), logging.INFO)
