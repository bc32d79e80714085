"""What a run says of itself while it goes on: a line when a stage begins, at each validation, and at a stage's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recbole_kd.bridge.config import KDConfig
from recbole_kd.foundation.logs import SHOWN
from recbole_kd.training.callbacks import Callback
from recbole_kd.training.record import TITLES, StageRecord, StageStart


class Announcements(Callback):
    """Logs the course of a run, for the screen too."""

    def __init__(self, config: KDConfig, stages: Sequence[str]) -> None:
        """Args:
        config: of the run.
        stages: their names, in the order trained.
        """
        self._metric, self._bigger = str(config["valid_metric"]).lower(), bool(config["valid_metric_bigger"])
        self._stages = list(stages)
        self._begun: set[str] = set()

    def stage_begins(self, start: StageStart) -> None:
        """Say what is trained and for how long."""
        self._begun.add(start.stage)
        SHOWN.info(f"{self._head(start.stage, start.model)}, {start.parameters:,} parameters, {_length(start)}")

    def validated(self, stage: str, history: list[dict[str, Any]]) -> None:
        """Say the losses and the validation score of an epoch."""
        last, scores = history[-1], [entry["valid"][self._metric] for entry in history if "valid" in entry]
        if not scores:
            return
        best = max(scores) if self._bigger else min(scores)
        told = "the best so far" if scores[-1] == best else f"the best is {best:.4f}"
        SHOWN.info(f"epoch {last['epoch']}: {_losses(last)}, {self._metric} {scores[-1]:.4f} ({told})")

    def stage_ends(self, record: StageRecord) -> None:
        """Say what came out, and whether the training was cut short."""
        if record.name not in self._begun:
            file = record.checkpoint
            source = f"taken from {file} (--resume=false trains it again)" if file else "taken from its scores"
            SHOWN.info(f"{self._head(record.name, record.model)}, {source}")
            return
        found = [f"{part} {self._metric} {values[self._metric]:.4f}" for part, values in self._parts(record)]
        SHOWN.info(f"{self._place(record.name)} ended: {', '.join([_epochs(record), *found])}")
        if record.at_epoch_limit:
            SHOWN.info(record.limit_note())
        if record.content_note():
            SHOWN.warning(record.content_note())

    def _parts(self, record: StageRecord) -> list[tuple[str, Mapping[str, float]]]:
        parts = (("valid", record.valid), ("test", record.test))
        return [(part, values) for part, values in parts if self._metric in values]

    def _head(self, stage: str, model: str) -> str:
        title = "" if stage == "model" else f"{TITLES.get(stage, stage)}, "
        return f"{self._place(stage)}: {title}{model}"

    def _place(self, stage: str) -> str:
        place = self._stages.index(stage) + 1 if stage in self._stages else len(self._stages)
        return f"stage {place} of {len(self._stages)}"


def _epochs(record: StageRecord) -> str:
    return f"{record.epochs} epoch{'s' * (record.epochs != 1)}"


def _length(start: StageStart) -> str:
    if start.weights_from:
        return f"weights from {start.weights_from}"
    if not start.epochs:
        return "not trained"
    taken_up = f", taken up after epoch {start.first_epoch - 1}" if start.first_epoch else ""
    return f"up to {start.epochs:,} epoch{'s' * (start.epochs != 1)}{taken_up}"


def _losses(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in entry["losses"].items())
