"""One bar for a whole run, with the time that is left over all of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from recbole_kd.foundation.bars import tqdm
from recbole_kd.training.callbacks import Callback
from recbole_kd.training.record import StageRecord, StageStart

_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, at most {remaining} left"


class Progress(Callback):
    """Draws a bar over the epochs of all stages; a stage that ends early, or is there already, makes it shorter."""

    def __init__(self, epochs: Mapping[str, int]) -> None:
        """Args:
        epochs: the most epochs of each stage, by its name and in the order trained.
        """
        self._left = dict(epochs)  # of the stages that have not ended
        self._stages = list(epochs)
        self._first = self._done = 0.0  # of the stage that is trained, epochs of an earlier run and all so far
        self._bar: tqdm[NoReturn] | None = None  # its clock starts with the first training, not with reading data

    def stage_begins(self, start: StageStart) -> None:
        """Count what is left of a training that is taken up."""
        if self._bar is None:
            self._bar = tqdm(total=1.0, bar_format=_FORMAT, mininterval=0.5)
        self._first = self._done = float(start.first_epoch)
        self._left[start.stage] = max(start.epochs - start.first_epoch, 0)
        self._bar.set_description_str(self._title(start.stage), refresh=False)
        self._resize()

    def progressed(self, stage: str, epochs: float) -> None:
        """Go on."""
        step = min(epochs - self._done, self._left.get(stage, 0) - (self._done - self._first))
        if step > 0 and self._bar is not None:
            self._done += step
            self._bar.set_description_str(f"{self._title(stage)}, epoch {int(self._done - 1e-9)}", refresh=False)
            self._bar.update(step)

    def stage_ends(self, record: StageRecord) -> None:
        """Take out what need not be trained any more."""
        self._left[record.name] = 0
        self._first = self._done = 0.0
        self._resize()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _title(self, stage: str) -> str:
        place = self._stages.index(stage) + 1 if stage in self._stages else len(self._stages)
        return f"stage {place} of {len(self._stages)}, {stage}"

    def _resize(self) -> None:
        if self._bar is not None:
            begun = self._bar.n - (self._done - self._first)
            self._bar.total = max(begun + sum(self._left.values()), self._bar.n, 1e-9)
            self._bar.refresh()
