"""The command line ``recbole-kd``: the commands of :data:`COMMANDS`, a file each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from recbole_kd.cli.ending import guarded
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.foundation.versions import VERSION

COMMANDS = {
    "train": "train and distil models",
    "teach": "train a teacher and keep its scores for many students",
    "tune": "search the best values on the validation part",
    "compare": "train several models over several seeds, write one table and a page of pictures",
    "recommend": "print the best items of users by a trained model",
    "check": "read a data set, say what is wrong with it, or print what a run would train on",
    "convert": "turn a table of your own, or a published layout, into RecBole's files",
    "features": "turn texts and pictures of items into features",
}


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of ``recbole-kd`` and ``python -m recbole_kd``; returns the exit status."""
    return guarded(_run, sys.argv[1:] if words is None else words)


def train_script() -> int:
    """Entry point of ``run_recbole_kd.py``."""
    return guarded(lambda words: _run(words, script="python run_recbole_kd.py"), sys.argv[1:])


def _run(words: Sequence[str], script: str = "") -> int:
    if "--version" in words:
        print(f"recbole-kd {VERSION}")
        return 0
    if script:
        return _command("train")(words, script)
    if not words or words[0] in ("-h", "--help"):
        print("usage: recbole-kd COMMAND ...\n")
        for name, what in COMMANDS.items():
            print(f"  {name:10} {what}")
        print("\nrecbole-kd COMMAND --help tells more. --debug shows the traceback of a fault of the program.")
        return 0 if words else 2
    return _command(words[0])(words[1:])


def _command(name: str) -> Callable[..., int]:
    """The command's ``main``; it is imported here, since all of them together take seconds."""
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS) or f"; use one of {', '.join(COMMANDS)}"
        raise UserError(f"there is no command {name!r}{hint}")
    found: Callable[..., int] = import_module(f"{__name__}.{name}").main
    return found
