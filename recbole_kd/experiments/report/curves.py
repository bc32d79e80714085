"""Training curves as one picture: validation metrics of all stages, and the loss terms of each."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_kd.experiments.report.colours import AMBER, BLUE, GREEN, GREY, ORANGE, style
from recbole_kd.experiments.report.plain_text import without_mathematics
from recbole_kd.foundation.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recbole_kd.training.record import StageRecord

_COLOURS = {"teacher": ORANGE, "baseline": GREY, "student": BLUE, "model": BLUE}
_LABELS = {"teacher": "teacher", "baseline": "student alone", "student": "distilled student"}

History = Sequence[Mapping[str, Any]]


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
        colour, label = _COLOURS.get(stage.name, GREEN), _LABELS.get(stage.name, stage.name)
        draw_metric(axes[0], stage.history, metric, label, colour)
    axes[0].set(xlabel="epoch", ylabel=f"validation {metric}", title="validation")
    axes[0].legend(fontsize="small")
    for axis, stage in zip(axes[1:], stages, strict=True):
        draw_losses(axis, stage.history)
        axis.set(title=_LABELS.get(stage.name, stage.name))
        axis.legend(fontsize="small")
    figure.suptitle(title)
    without_mathematics(figure)
    with replacing(path) as stream:
        figure.savefig(stream, format="png", dpi=120)


def draw_metric(axis: Axes, history: History, metric: str, label: str, colour: str, **look: Any) -> None:
    """Draw a validation metric by epoch (1 being the first), and that of each teacher that changes meanwhile.

    Args:
        axis: to draw on.
        history: entries with ``epoch`` (0 being the first), and some with ``valid`` and ``teachers_valid``.
        metric: lower case, as ``ndcg@20``.
        label: of the line; the teachers have their own names.
        colour: likewise; the teachers differ in their strokes.
        look: further properties of the line.
    """
    _plot(axis, {label: {entry["epoch"]: entry.get("valid", {}) for entry in history}}, metric, colour, **look)
    taught = {entry["epoch"]: entry["teachers_valid"] for entry in history if "teachers_valid" in entry}
    names = list(next(iter(taught.values()), {}))
    _plot(axis, {name: {epoch: of[name] for epoch, of in taught.items()} for name in names}, metric, AMBER)


def draw_losses(axis: Axes, history: History) -> None:
    """Draw each term of the loss by epoch (1 being the first), the axis being logarithmic."""
    for place, name in enumerate(dict.fromkeys(name for entry in history for name in entry["losses"])):
        axis.plot(
            [entry["epoch"] + 1 for entry in history],
            [entry["losses"].get(name, float("nan")) for entry in history],
            label=name,
            **(style(place) | {"marker": None}),
        )
    axis.set(xlabel="epoch", ylabel="mean loss of a batch", yscale="log")


def _plot(
    axis: Axes, curves: Mapping[str, Mapping[int, Mapping[str, float]]], metric: str, colour: str, **look: Any
) -> None:
    """Draw a metric by epoch, a line for each label; several of one colour differ in their strokes."""
    for (label, by_epoch), stroke in zip(curves.items(), cycle(("-", "--", ":", "-.")), strict=False):
        points = [(epoch + 1, values[metric]) for epoch, values in by_epoch.items() if values.get(metric) is not None]
        if points:
            axis.plot(*zip(*points, strict=True), **({"linestyle": stroke, "color": colour, "label": label} | look))
