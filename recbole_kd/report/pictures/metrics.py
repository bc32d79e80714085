"""Every validation metric by epoch, all models together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_kd.errors import UserError
from recbole_kd.report.curves import draw_metric
from recbole_kd.report.pictures.averaged import averaged
from recbole_kd.report.pictures.base import Drawn, Picture

if TYPE_CHECKING:
    from recbole_kd.report.compared import Compared


def draw(compared: Compared) -> Drawn:
    """A row of panels a metric, a column a cutoff, a line a model."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = compared.distinct()
    found, left_out = compared.of_each(rows, lambda row: averaged(list(compared.histories(row).values())))
    there = dict.fromkeys(name for history in found.values() for entry in history for name in entry.get("valid", {}))
    names = list(dict.fromkeys(name.partition("@")[0] for name in there))
    cutoffs = sorted({int(name.partition("@")[2] or 0) for name in there})
    if not there:
        raise UserError("no model was validated while it trained; set epochs and eval_step to 1 or more")
    figure = Figure(figsize=(3.9 * len(cutoffs) + 0.4, 2.4 * len(names) + 0.8), layout="constrained")
    panels = figure.subplots(len(names), len(cutoffs), sharex=True, squeeze=False)
    for axes, name in zip(panels, names, strict=True):
        for axis, cutoff in zip(axes, cutoffs, strict=True):
            metric = f"{name}@{cutoff}" if cutoff else name
            for row in rows:
                look = compared.look(row)
                history = [{**entry, "teachers_valid": {}} for entry in found.get(row.label, ())]
                look |= {"markersize": 4, "linewidth": 1.4, "markevery": max(len(history) // 8, 1)}
                draw_metric(axis, history, metric, row.label, look.pop("color"), **look)
            axis.set_ylabel(f"validation {metric}")
            axis.grid(alpha=0.3)
            axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for axis in panels[-1]:
        axis.set_xlabel("epoch")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), frameon=False)
    return Drawn(figure, f"{compared.seeds()} A line ends where the first of its seeds stopped. {left_out}")


PICTURE = Picture(
    place=20,
    title="Validation metrics by epoch",
    reading="A line that still rises at its end was stopped by its number of epochs and may gain by more of them; one "
    "that has long been level or falling was stopped in time.",
    draw=draw,
)
