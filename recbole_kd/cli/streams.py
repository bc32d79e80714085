"""Standard streams that no terminal, pipe or full disk turns into a traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_DESCRIPTORS = {"stdin": 0, "stdout": 1, "stderr": 2}
closed: set[str] = set()  # the streams that the program was started without


class _Output(io.TextIOWrapper):
    """A standard output that knows why it could not be written."""

    fault: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or keep the fault and raise it."""
        with self._noting():
            return super().write(text)

    def flush(self) -> None:
        """Flush, or keep the fault and raise it."""
        with self._noting():
            super().flush()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.fault = error
            raise


class _Notes(io.TextIOWrapper):
    """A standard error that is written where that is possible: nobody's training ends because nobody reads it."""

    def write(self, text: str) -> int:
        """Write, or lose the text."""
        try:
            return super().write(text)
        except (OSError, ValueError):
            _give_up(self)
            return len(text)

    def flush(self) -> None:
        """Flush, or lose what is left."""
        try:
            super().flush()
        except (OSError, ValueError):
            _give_up(self)


def prepare() -> None:
    """Open what is closed, to nowhere, and let every character be printed, escaped where the terminal lacks it.

    A descriptor that is closed would else be given to the next file that is opened, and be printed into.
    """
    for name, descriptor in _DESCRIPTORS.items():
        try:
            os.fstat(descriptor)
        except OSError:
            closed.add(name)
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for name, kind in (("stdout", _Output), ("stderr", _Notes)):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and type(stream) is io.TextIOWrapper:
            raw = open(stream.fileno(), "wb", closefd=False)  # noqa: SIM115
            lines, at_once = stream.line_buffering or kind is _Notes, stream.write_through
            wrapped = kind(raw, stream.encoding, "backslashreplace", line_buffering=lines, write_through=at_once)
            setattr(sys, name, wrapped)


def flush() -> None:
    """Write what is left of standard output.

    Raises:
        OSError: it is full, or its reader has gone.
    """
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def output_fault() -> OSError | None:
    """Why standard output could not be written, None where it could."""
    try:
        flush()
    except OSError as error:
        return error
    return getattr(sys.stdout, "fault", None)


def say(text: str) -> None:
    """Print a line on standard error, if it is there to be read."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def abandon_output() -> None:
    """Send what is left of standard output nowhere, so that the interpreter's own last flush is silent."""
    _give_up(sys.stdout)


def _give_up(stream: TextIO) -> None:
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
