"""Every loss term of every model by epoch, beside the metric that it should raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_kd.experiments.report.colours import BLUE
from recbole_kd.experiments.report.curves import draw_losses, draw_metric
from recbole_kd.experiments.report.left_out import of_rows
from recbole_kd.experiments.report.pictures.averaged import mean_history
from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recbole_kd.experiments.report.compared import Compared


def draw(compared: Compared) -> Drawn:
    """Two panels a model: its loss terms, and its metric with that of teachers that learn along with it."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = compared.distinct()
    found, left_out = of_rows(rows, lambda row: mean_history(compared, row))
    # a model that only counts, such as Pop, has a loss of zero
    trained = {label: history for label, history in found.items() if any(any(e["losses"].values()) for e in history)}
    if not trained:
        raise UserError("no model was trained by epochs")
    columns = 2 if len(trained) > 1 else 1
    lines = -(-len(trained) // columns)
    figure = Figure(figsize=(6.2 * columns, 3.2 * lines), layout="constrained")
    parts = figure.subfigures(lines, columns, squeeze=False).ravel()
    for part, (label, history) in zip(parts, trained.items(), strict=False):
        losses, metric = part.subplots(1, 2)
        draw_losses(losses, history)
        if _range(losses) < 10:
            losses.set_yscale("linear")
        look = {"marker": "o", "markersize": 3, "markevery": max(len(history) // 8, 1)}
        draw_metric(metric, [_named(entry) for entry in history], compared.metric, "model", BLUE, **look)
        metric.set(xlabel="epoch", ylabel=f"validation {compared.metric}")
        for axis in (losses, metric):
            if len(axis.lines) > 1:
                look = {"fontsize": "small", "frameon": False, "columnspacing": 1.0, "handlelength": 1.8}
                axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2, **look)
            axis.grid(alpha=0.3)
            axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        part.suptitle(label, fontsize="medium", fontweight="bold", parse_math=False)
    return Drawn(figure, f"{compared.seeds(by_epoch=True)} {left_out}")


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry whose teachers are called so."""
    return {**entry, "teachers_valid": {f"teacher {name}": of for name, of in entry.get("teachers_valid", {}).items()}}


def _range(axis: Axes) -> float:
    """The largest of an axis's positive values over the smallest."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axis.lines])
    values = values[values > 0]
    return float(values.max() / values.min()) if len(values) else 1.0


PICTURE = Picture(
    place=30,
    title="Loss terms by epoch",
    reading="Each term, its weight included, should fall or stay level while the metric beside it rises; a metric that "
    "falls while the losses fall is overfitting, and a term far below the others hardly matters.",
    draw=draw,
)
