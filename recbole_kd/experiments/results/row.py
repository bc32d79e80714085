"""One row of a comparison's table: what several seeds of one model, teacher or student say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from recbole_kd.training.record import warm_lost

BATCHES = (1, 1024)  # users at a time, of which the milliseconds are told


@dataclass
class Row:
    """One label, with its stage of every seed that has ended well: records as in ``runs.jsonl``, files of users.

    ``run`` is the label of the run that it is a stage of, ``histories`` the files of that run's epochs.
    """

    label: str
    role: str
    stages: dict[int, dict[str, Any]] = field(default_factory=dict)
    users: dict[int, Path] = field(default_factory=dict)
    run: str = ""
    histories: dict[int, Path] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The class of the model."""
        return str(next(iter(self.stages.values()))["model"])

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The files of its models by seed, empty names where there is none."""
        return tuple(stage["checkpoint"] for stage in self.stages.values())

    @property
    def identity(self) -> tuple[str, ...]:
        """What rows of one and the same model share: a teacher of several students."""
        return self.checkpoints if any(self.checkpoints) else (self.label,)

    @property
    def at_epoch_limit(self) -> list[int]:
        """The seeds whose training ``epochs`` ended, and not early stopping."""
        return [seed for seed, stage in self.stages.items() if stage.get("at_epoch_limit")]

    def metric(self, name: str) -> np.ndarray:
        """A test metric by seed."""
        return np.array([stage["test"][name] for stage in self.stages.values() if name in stage["test"]], np.float64)

    def apart(self) -> dict[str, dict[str, np.ndarray]]:
        """The test seen apart, such as by its cold items alone: a metric's values by seed, those that are known."""
        found: dict[str, dict[str, list[float]]] = {}
        for stage in self.stages.values():
            for name, metrics in (stage.get("apart") or {}).items():
                for metric, value in metrics.items():
                    found.setdefault(name, {}).setdefault(metric, []).extend([] if value is None else [value])
        return {name: {key: np.array(of, np.float64) for key, of in metrics.items()} for name, metrics in found.items()}

    def warm_lost(self) -> str:
        """What to say of content paths that do harm, by mean over seeds; "" where they do none."""
        apart = self.apart().items()
        return warm_lost({name: {key: of.mean() for key, of in found.items() if len(of)} for name, found in apart})

    def costs(self) -> dict[str, float | None]:
        """One figure for all seeds: the median; of the peak memory the largest, of the latency the one measured."""
        found: dict[str, float | None] = {
            name: _of([stage.get(name) for stage in self.stages.values()], median)
            for name in ("parameters", "inference_parameters", "bytes", "seconds_per_epoch", "epochs")
        }
        found["peak_memory"] = _of([stage.get("peak_memory") for stage in self.stages.values()], max)
        for batch in BATCHES:
            measured = [(stage.get("latency") or {}).get(str(batch)) for stage in self.stages.values()]
            found[f"ms_per_user_{batch}"] = _of(measured, median)
        return found


def gap_closed(rows: Sequence[Row], student: Row, metric: str) -> float | None:
    """The share of the way from a student alone to its best teacher that distillation has gone.

    Args:
        rows: those of the student's run among them.
        student: what is asked of.
        metric: a test metric, by its mean over seeds.

    Returns:
        None where there is no such way: another kind of row, no student alone, or no teacher that is better than it.
    """
    means = {row.role: row.metric(metric).mean() for row in rows if row.run == student.run and len(row.metric(metric))}
    best = max((mean for role, mean in means.items() if role.startswith("teacher")), default=-np.inf)
    if student.role != "student" or not {"student", "baseline"} <= set(means) or best <= means["baseline"]:
        return None
    return float((means["student"] - means["baseline"]) / (best - means["baseline"]))


def _of(values: Sequence[float | None], choose: Any) -> float | None:
    known = [value for value in values if value is not None]
    return float(choose(known)) if known else None


def spread(values: Any, places: int = 4) -> str:
    """Mean ± sample standard deviation, which one value has not."""
    values = np.asarray(values, np.float64)
    if not len(values):
        return "–"
    mean = f"{values.mean():.{places}f}"
    return f"{mean} ± {values.std(ddof=1):.{places}f}" if len(values) > 1 else mean
