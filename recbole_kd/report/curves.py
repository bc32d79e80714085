"""Training curves as one picture: validation metrics of all stages, and the loss terms of each."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import cycle
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
    there = list(stages[-1].valid)
    metric = next((name for name in ("ndcg@20", "ndcg@10") if name in there), there[0] if there else "")
    for stage in stages:
        colour, label = _COLOURS.get(stage.name, "#009E73"), _LABELS.get(stage.name, stage.name)
        curves = {label: {entry["epoch"]: entry.get("valid", {}) for entry in stage.history}}
        _plot(axes[0], curves, metric, colour)
        taught = {entry["epoch"]: entry["teachers_valid"] for entry in stage.history if "teachers_valid" in entry}
        names = list(next(iter(taught.values()), {}))
        _plot(axes[0], {name: {epoch: of[name] for epoch, of in taught.items()} for name in names}, metric, "#E69F00")
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


def _plot(axis: Axes, curves: Mapping[str, Mapping[int, Mapping[str, float]]], metric: str, colour: str) -> None:
    """Draw a metric by epoch, a line for each label; several of one colour differ in their strokes."""
    for (label, by_epoch), stroke in zip(curves.items(), cycle(("-", "--", ":", "-.")), strict=False):
        points = [(epoch + 1, values[metric]) for epoch, values in by_epoch.items() if metric in values]
        if points:
            axis.plot(*zip(*points, strict=True), stroke, color=colour, label=label)
