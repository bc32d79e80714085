"""What is known of a finished stage, and of a finished run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.evaluation.protocol import protocol_of
from recbole_kd.foundation.files import write_json


@dataclass
class StageRecord:
    """A finished stage; ``public()`` is what ``result_file`` holds of it.

    ``peak_memory`` is the most bytes that were taken while it was trained and evaluated: on CUDA by tensors there, else
    by the process, libraries and data set included.
    """

    name: str
    model: str
    epochs: int
    seconds_per_epoch: float | None
    valid: dict[str, float]
    test: dict[str, float]
    parameters: int
    inference_parameters: int
    ranking_seconds: float | None
    history: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0
    checkpoint: str = ""
    peak_memory: int | None = None

    def public(self) -> dict[str, Any]:
        """The keys of ``result_file``."""
        return {key: value for key, value in self.kept().items() if key not in ("history", "ranking_seconds")}

    def kept(self) -> dict[str, Any]:
        """What the stage's checkpoint holds of it."""
        return {key: value for key, value in asdict(self).items() if key not in ("bytes", "checkpoint")}

    def of_file(self, path: Path) -> StageRecord:
        """This record with the checkpoint that holds it."""
        return replace(self, bytes=path.stat().st_size, checkpoint=str(path))


@dataclass
class Result:
    """A finished run; ``stages`` in the order trained, ``test`` the metrics of the last (the student's).

    ``data`` is the data set as it was read, ``made`` what :func:`recbole_kd.training.made.made_of` says of the run.
    """

    model: str
    dataset: str
    seed: int
    config: dict[str, Any] = field(repr=False)
    stages: list[StageRecord]
    data: MultiModalDataset = field(repr=False)
    made: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def test(self) -> dict[str, float]:
        """Test metrics, names in lower case as RecBole prints them (``recall@20``)."""
        return self.stages[-1].test

    def write(self, path: str) -> None:
        """Write the result as JSON, whole or not at all."""
        values = {
            "model": self.model,
            "dataset": self.dataset,
            "seed": self.seed,
            "config": self.config,
            "ranking": {part: protocol_of(self.config, part)._asdict() for part in ("valid", "test")},
            "stages": [stage.public() for stage in self.stages],
            "test": self.test,
            "made": self.made,
        }
        write_json(path, values)
