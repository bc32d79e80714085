"""How much two hyperparameters matter, from the trials of a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from recbole_kd.experiments.report.left_out import of_each
from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.panels import panels
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recbole_kd.experiments.report.compared import Compared

_BINS = 5
_COLUMNS = ("trial", "state", "valid", "reason")


class Sensitivity(NamedTuple):
    """``best`` (len(y edges) - 1, len(x edges) - 1): the best score within each field, NaN without a trial there."""

    x: str
    y: str
    x_edges: np.ndarray
    y_edges: np.ndarray
    best: np.ndarray
    trials: int


def sensitivity(path: Path) -> Sensitivity:
    """The best score by the two weights that a search varied most.

    Regularisers' weights count after others, and other numbers after weights.

    Args:
        path: ``trials.csv`` of ``recbole-kd tune``.

    Raises:
        UserError: the file is missing or damaged, or fewer than two numbers were varied.
    """
    try:
        trials = pd.read_csv(path)
        trials = trials[trials["state"] == "complete"].dropna(subset=["valid"])
        keys = trials.columns.difference(list(_COLUMNS), sort=False)
        values = trials[keys].apply(pd.to_numeric, errors="coerce")
    except (OSError, ValueError, KeyError):
        raise UserError(f"{path} is missing or damaged; repeat recbole-kd tune") from None
    varied = [key for key in keys if values[key].notna().all() and values[key].nunique() > 1]
    if len(varied) < 2:
        raise UserError(f"the trials in {path} vary fewer than two numbers; search two weights by --search")
    varied.sort(key=lambda key: (not key.endswith("weight"), key.endswith("reg_weight"), -_spread(values[key])))
    x, y = varied[:2]
    x_edges, y_edges = _edges(values[x]), _edges(values[y])
    best = np.full((len(y_edges) - 1, len(x_edges) - 1), np.nan)
    places = [np.searchsorted(edges[1:-1], values[key], side="right") for key, edges in ((y, y_edges), (x, x_edges))]
    np.fmax.at(best, tuple(places), trials["valid"].to_numpy(float))
    return Sensitivity(x, y, x_edges, y_edges, best, len(trials))


def _is_log(values: pd.Series) -> bool:
    return bool(values.min() > 0 and values.max() / values.min() >= 10)


def _spread(values: pd.Series) -> float:
    """How many decades; less than one of what is not searched by its logarithm."""
    return float(np.log10(values.max() / values.min())) if _is_log(values) else 0.0


def _edges(values: pd.Series) -> np.ndarray:
    low, high = values.min(), values.max()
    return np.geomspace(low, high, _BINS + 1) if _is_log(values) else np.linspace(low, high, _BINS + 1)


def draw(compared: Compared) -> Drawn:
    """One heat map for each row that was tuned."""
    if not compared.studies:
        raise UserError("it needs the trials of recbole-kd tune for one of the models, in --tune_dir")
    found, left_out = of_each(compared.studies, sensitivity)
    figure, axes = panels(len(found), min(len(found), 2), (6.2, 4.6))
    for axis, (label, one) in zip(axes, found.items(), strict=True):
        _draw_one(axis, one)
        axis.set_title(f"{label}, {one.trials} trials", fontsize="medium", parse_math=False)
    return Drawn(figure, f"Each field: the best of its trials, of the search's own seed. {left_out}")


def _draw_one(axis: Axes, one: Sensitivity) -> None:
    axis.set_facecolor("0.93")
    drawn = axis.pcolormesh(one.x_edges, one.y_edges, one.best, cmap="cividis", edgecolors="white", linewidth=1)
    axis.figure.colorbar(drawn, ax=axis, label="best validation score")
    middle = np.nanmean([np.nanmin(one.best), np.nanmax(one.best)])
    centres = [
        np.sqrt(edges[1:] * edges[:-1]) if edges[0] > 0 and _is_log(pd.Series(edges)) else (edges[1:] + edges[:-1]) / 2
        for edges in (one.x_edges, one.y_edges)
    ]
    for (row, column), value in np.ndenumerate(one.best):
        if np.isfinite(value):
            colour = "white" if value < middle else "black"
            axis.text(centres[0][column], centres[1][row], f"{value:.4f}", ha="center", va="center", color=colour)
    axis.set(xlabel=one.x, ylabel=one.y)
    for ticks, edges, scale in (
        (axis.set_xticks, one.x_edges, axis.set_xscale),
        (axis.set_yticks, one.y_edges, axis.set_yscale),
    ):
        scale("log" if _is_log(pd.Series(edges)) else "linear")
        ticks(edges, [f"{edge:.2g}" for edge in edges])
    axis.minorticks_off()


PICTURE = Picture(
    place=80,
    title="Sensitivity to two weights",
    reading="Fields of nearly one colour mean that the two weights hardly matter there, and a bright field amid dark "
    "ones that they need care; grey fields were not tried.",
    draw=draw,
)
