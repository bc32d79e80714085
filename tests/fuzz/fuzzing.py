"""Runs inputs through the doors and counts what becomes of them."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recbole_kd.foundation.errors import UserError
from tests.fuzz.damage import MARK
from tests.fuzz.doors import DOORS, WHOLE, make_good

SECONDS = 60  # after which an input counts as hanging; a busy machine is not a failure
GOOD = ("refused", "accepted")
BAD = ("traceback", "hang", "accepted though damaged", "code run")
_RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pty.spawn")

_watched: list[str] | None = None  # events of an audit, while an input is in a door


class _Hang(BaseException):
    """An input took too long."""


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _watched is not None and event in _RUNS:
        _watched.append(event)


sys.addaudithook(_audit)


def fuzz(inputs: int, seed: int) -> tuple[dict[str, Counter[str]], list[str]]:
    """Send inputs through all doors in turn.

    Returns:
        How many of each outcome, by door; and for each bad one a line to repeat it with, and its traceback.
    """
    counts: dict[str, Counter[str]] = {door: Counter() for door in DOORS}
    found: list[str] = []
    with tempfile.TemporaryDirectory() as place, _quiet(), _at(Path(place)):
        good = Path(place) / "good"
        good.mkdir()
        with _at(good):
            make_good(good)
            whole = {door: make(good) for door, make in WHOLE.items()}
        for number in range(inputs):
            door = list(DOORS)[number % len(DOORS)]
            outcome, told = _one(door, random.Random(f"{seed} {number}"), good, Path(place) / "one", whole.get(door))
            counts[door][outcome] += 1
            if outcome in BAD:
                found.append(f"{door}, seed {seed}, input {number}: {outcome}\n{told}")
    return counts, found


def _one(door: str, draw: random.Random, good: Path, folder: Path, whole: Any) -> tuple[str, str]:
    global _watched
    shutil.copytree(good, folder, symlinks=True)
    try:
        with _at(folder), _limited():
            _watched = []
            try:
                made = DOORS[door](draw, folder)
            except UserError as error:
                outcome, told = "refused", str(error)
            except _Hang:
                outcome, told = "hang", traceback.format_exc()
            except BaseException:
                outcome, told = "traceback", traceback.format_exc()
            else:
                outcome, told = ("accepted", "") if whole is None or made == whole else (BAD[2], str(made)[:300])
            ran, _watched = _watched, None
        if ran or any(folder.rglob(MARK)):
            return "code run", f"{ran} {told}"
        if outcome == "refused" and ("\n" in told or "Traceback" in told):
            return "traceback", told
        return outcome, told
    finally:
        _watched = None
        shutil.rmtree(folder)


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def late(*_: Any) -> None:
        raise _Hang

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@contextlib.contextmanager
def _at(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
