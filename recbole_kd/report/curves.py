"""Training curves as one picture: validation metrics of all stages, and the loss terms of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_kd.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recbole_kd.stages import StageRecord

# Okabe and Ito's colours, told apart by colour-blind readers too.
_COLOURS = {"teacher": "#D55E00", "baseline": "#999999", "student": "#0072B2", "model": "#0072B2"}
_LABELS = {"teacher": "teacher", "baseline": "student alone", "student": "distilled student"}


def write_curves(stages: Sequence[StageRecord], path: Path, title: str) -> None:
    """Draw validation NDCG (or the first metric) and mean losses by epoch into a PNG.

    Args:
        stages: finished stages with their histories.
        path: the PNG; its folder is made.
        title: printed above the picture.
    """
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # RecBole's root logger would print its font search
    from matplotlib.figure import Figure  # slow to import, and only wanted when a picture is

    figure = Figure(figsize=(5 * (len(stages) + 1), 4), layout="constrained")
    axes = figure.subplots(1, len(stages) + 1)
    names = list(stages[-1].valid)
    metric = next((name for name in ("ndcg@20", "ndcg@10") if name in names), names[0] if names else "")
    for stage in stages:
        colour, label = _COLOURS.get(stage.name, "#009E73"), _LABELS.get(stage.name, stage.name)
        _plot(axes[0], stage, "valid", metric, colour=colour, label=label)
        if any("teacher_valid" in entry for entry in stage.history):
            _plot(axes[0], stage, "teacher_valid", metric, colour="#E69F00", label="teacher while its prompt is tuned")
    axes[0].set(xlabel="epoch", ylabel=f"validation {metric}", title="validation")
    axes[0].legend(fontsize="small")
    for axis, stage in zip(axes[1:], stages, strict=True):
        for name in stage.history[-1]["losses"] if stage.history else ():
            axis.plot(
                [entry["epoch"] + 1 for entry in stage.history],
                [entry["losses"].get(name, float("nan")) for entry in stage.history],
                label=name,
            )
        axis.set(xlabel="epoch", ylabel="mean loss of a batch", yscale="log", title=_LABELS.get(stage.name, stage.name))
        axis.legend(fontsize="small")
    figure.suptitle(title)
    with replacing(path) as stream:
        figure.savefig(stream, format="png", dpi=120)


def _plot(axis: Axes, stage: StageRecord, key: str, metric: str, *, colour: str, label: str) -> None:
    points = [(entry["epoch"] + 1, entry[key][metric]) for entry in stage.history if metric in entry.get(key, {})]
    if points:
        axis.plot(*zip(*points, strict=True), color=colour, label=label)
