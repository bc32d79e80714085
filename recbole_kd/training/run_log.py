"""The log of a run: a file of its own, for every run of a process."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from logging import getLogger
from pathlib import Path
from typing import Self

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.run_name import run_name
from recbole_kd.foundation.logs import LogFile, Screen, level_of
from recbole_kd.foundation.surroundings import fault_of
from recbole_kd.training.callbacks import Callback


class RunLog(Callback):
    """Keeps what is logged in a file below ``log_dir`` from the beginning of a run to the end of a ``with`` block.

    Where the file cannot be written a warning says so, and the run goes on without.
    """

    def __init__(self, screen: int | None = None) -> None:
        """Args:
        screen: the lowest level that standard error gets too, unless ``state`` is given; None for a silent one.
        """
        self._screen = screen
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run_begins(self, config: KDConfig) -> None:
        """Open the file."""
        self._stack.close()
        if self._screen is None and not config["log_dir"]:
            return  # the levels of others are theirs
        root, level = getLogger(), level_of(config["state"])
        self._stack.callback(root.setLevel, root.level)
        root.setLevel(level)
        if self._screen is not None:
            given = "state" in config.external_config_dict
            self._add(Screen(level if given else max(level, self._screen)))
        if config["log_dir"]:
            path = Path(config["log_dir"]) / config.model / f"{run_name(config)}.log"
            try:
                self._add(LogFile(path, level))
            except (OSError, ValueError) as error:
                reason = (fault_of(error) or (0, str(error)))[1].lower()
                root.warning(f"no log is kept in {path.parent}: {reason}; --log_dir=FOLDER gives it another place")

    def _add(self, handler: logging.Handler) -> None:
        root = getLogger()
        root.addHandler(handler)
        self._stack.callback(handler.close)
        self._stack.callback(root.removeHandler, handler)
