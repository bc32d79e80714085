"""Who listens to a run: a terminal, a log, a search that ends hopeless trainings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recbole_kd.bridge.config import KDConfig
from recbole_kd.foundation.errors import UserError
from recbole_kd.training.record import Result, StageRecord, StageStart


class Callback:
    """Listens to a run. Every method does nothing unless a subclass says otherwise; what one raises ends the run."""

    def run_begins(self, config: KDConfig) -> None:
        """The settings are checked; data are read next."""

    def stage_begins(self, start: StageStart) -> None:
        """A stage is about to be trained, or evaluated with weights from a file."""

    def progressed(self, stage: str, epochs: float) -> None:
        """A part of an epoch of ``stage`` was trained.

        Args:
            stage: its name.
            epochs: how many are done, the part of the one that goes on included.
        """

    def validated(self, stage: str, history: list[dict[str, Any]]) -> None:
        """An epoch of ``stage`` was validated.

        Args:
            stage: ``teacher``, ``baseline``, ``student``, ``model``, …
            history: one dict an epoch, the last with what was just measured: ``epoch``, ``losses``, ``valid``.
        """

    def stage_ends(self, record: StageRecord) -> None:
        """A stage was trained and tested, or taken from an earlier run."""

    def run_ends(self, result: Result) -> None:
        """All stages have ended."""


def with_first(first: Callback, others: Sequence[Callback]) -> list[Callback]:
    """One callback before those of a user, who may have given a single one."""
    return [first, *((others,) if isinstance(others, Callback) else others)]


class CallbackList(Callback):
    """Several callbacks as one, called in their order."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        """Keep them.

        Raises:
            UserError: one of them is none.
        """
        self._callbacks = (callbacks,) if isinstance(callbacks, Callback) else tuple(callbacks)
        for callback in self._callbacks:
            if not isinstance(callback, Callback):
                raise UserError(f"callbacks: {callback!r} is no object of a subclass of recbole_kd.Callback")

    def run_begins(self, config: KDConfig) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.run_begins(config)

    def stage_begins(self, start: StageStart) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.stage_begins(start)

    def progressed(self, stage: str, epochs: float) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.progressed(stage, epochs)

    def validated(self, stage: str, history: list[dict[str, Any]]) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.validated(stage, history)

    def stage_ends(self, record: StageRecord) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.stage_ends(record)

    def run_ends(self, result: Result) -> None:
        """Pass it on."""
        for callback in self._callbacks:
            callback.run_ends(result)
