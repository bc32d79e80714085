"""Every validation metric by epoch, all models together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_kd.experiments.report.curves import draw_metric
from recbole_kd.experiments.report.left_out import of_rows
from recbole_kd.experiments.report.pictures.averaged import mean_history
from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.legend import legend_of
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from recbole_kd.experiments.report.compared import Compared


def draw(compared: Compared) -> Drawn:
    """A row of panels a metric, a column a cutoff, a line a model."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = compared.distinct()
    found, left_out = of_rows(rows, lambda row: mean_history(compared, row))
    there = dict.fromkeys(name for history in found.values() for entry in history for name in entry.get("valid", {}))
    names = list(dict.fromkeys(name.partition("@")[0] for name in there))
    cutoffs = sorted({int(name.partition("@")[2] or 0) for name in there})
    if not there:
        raise UserError("no model was validated while it trained; set epochs and eval_step to 1 or more")
    wanted = [
        metric for name in names for cutoff in cutoffs if (metric := f"{name}@{cutoff}" if cutoff else name) in there
    ]
    columns = min(len(wanted), 3) if len(cutoffs) == 1 else len(cutoffs)
    lines = -(-len(wanted) // columns)
    figure = Figure(figsize=(max(3.9 * columns, 8) + 0.4, 2.4 * lines + 0.8), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, squeeze=False).ravel()
    for axis, metric in zip(panels, wanted, strict=False):
        for row in rows:
            look = compared.look(row)
            history = [{**entry, "teachers_valid": {}} for entry in found.get(row.label, ())]
            look |= {"markersize": 4, "linewidth": 1.4, "markevery": max(len(history) // 8, 1)}
            draw_metric(axis, history, metric, row.label, look.pop("color"), **look)
        axis.set(ylabel=f"validation {metric}")
        axis.grid(alpha=0.3)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for place, axis in enumerate(panels):
        if place >= len(wanted):
            axis.set_axis_off()
        elif place + columns >= len(wanted):  # nothing below it
            axis.set_xlabel("epoch")
            axis.tick_params(labelbottom=True)
    legend_of(figure, panels[0])
    return Drawn(figure, f"{compared.seeds(by_epoch=True)} {left_out}")


PICTURE = Picture(
    place=20,
    title="Validation metrics by epoch",
    reading="A line that still rises at its end was stopped by its number of epochs and may gain by more of them; one "
    "that has long been level or falling was stopped in time.",
    draw=draw,
)
