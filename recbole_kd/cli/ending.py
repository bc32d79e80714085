"""How every command ends: with its own status, with one sentence, or with the path of a log for us."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from recbole_kd.cli import streams
from recbole_kd.foundation import requirements
from recbole_kd.foundation.bugs import DEBUG, bug_text, debugging, keep_bug, one_line, where_to_report
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.names import printable
from recbole_kd.foundation.surroundings import sentence_of

MENDABLE = 2  # what the user, or whoever looks after the machine, can mend
BUG = 70  # a fault of ours; EX_SOFTWARE of sysexits.h
INTERRUPTED = 130
TERMINATED = 143
NO_READER = 141  # as a shell says of a program whose reader has gone
_GOES_ON = "the same command goes on from the last finished stage"

_settings: dict[str, Any] = {}  # of the run that goes on, for the report of a bug


class _Terminated(BaseException):
    """SIGTERM came."""


def guarded(command: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """Run ``command`` with ``words`` and return the exit status; nothing it meets is a traceback.

    ``--debug`` among the words is taken out, and shows the traceback of a bug.
    """
    streams.prepare()
    _settings.clear()
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        with _debugging(debug), _terminated_by_exception():
            requirements.check()
            status = command(words)
            streams.flush()
            return status
    except SystemExit as error:  # argparse has said what it had to say, or could not
        fault = streams.output_fault()
        if fault is None:
            raise
        return _leaving(_without_output(fault) if not error.code else int(error.code))
    except (KeyboardInterrupt, _Terminated) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        streams.say(f"recbole-kd: {'interrupted' if interrupted else 'ended by SIGTERM'}; {_GOES_ON}")
        return _leaving(INTERRUPTED if interrupted else TERMINATED)
    except UserError as error:
        if (debug or debugging()) and error.__cause__ is not None:
            streams.say("".join(traceback.format_exception(error.__cause__)).rstrip())
        told = printable(str(error), kept="\n")  # it may name what is in a stranger's file
        streams.say(f"recbole-kd: {told}")
        return _leaving(MENDABLE)
    except Exception as error:
        return _leaving(_explained(error, words, debug or debugging()))


def remember(settings: Mapping[str, Any]) -> None:
    """Keep the settings of the run that begins, for the report of a bug."""
    _settings.clear()
    _settings.update(settings)


def _explained(error: Exception, words: Sequence[str], debug: bool) -> int:
    """Say what an error means, and return the exit status."""
    fault = streams.output_fault() if isinstance(error, OSError) else None
    if fault is not None:
        return _without_output(fault)
    told = sentence_of(error)
    if debug:
        streams.say("".join(traceback.format_exception(error)).rstrip())
    if told is not None:
        streams.say(f"recbole-kd: {told}")
        return MENDABLE
    folders = [folder for folder in (_settings.get("log_dir"),) if isinstance(folder, str)]
    path = keep_bug(bug_text(error, words, _settings), folders or ["log"])
    where = f"the traceback, versions and settings are in {path}" if path else "--debug shows its traceback"
    streams.say(f"recbole-kd: a fault of recbole_kd itself ({one_line(error)}); {where}; {where_to_report()}")
    return BUG


def _without_output(fault: OSError) -> int:
    """Say why standard output cannot be written, but not that its reader has gone, which others do not say either."""
    if isinstance(fault, BrokenPipeError):
        return NO_READER
    reason = (fault.strerror or str(fault)).lower()
    streams.say(f"recbole-kd: standard output cannot be written: {reason}; send it where there is space")
    return MENDABLE


def _leaving(status: int) -> int:
    """Leave nothing to the interpreter's own last flush that it would complain about."""
    if streams.output_fault() is not None:
        streams.abandon_output()
    return status


@contextmanager
def _debugging(wanted: bool) -> Iterator[None]:
    """Within the block the processes that are started know that tracebacks are wanted."""
    if not wanted:
        yield
        return
    before = os.environ.get(DEBUG)
    os.environ[DEBUG] = "1"
    try:
        yield
    finally:
        del os.environ[DEBUG]
        if before is not None:
            os.environ[DEBUG] = before


@contextmanager
def _terminated_by_exception() -> Iterator[None]:
    """Within the block SIGTERM is an exception, so that parts of files are removed and children ended."""
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_DFL or threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(*_: object) -> None:
        raise _Terminated

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
