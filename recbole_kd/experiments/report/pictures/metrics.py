"""Validation metrics by epoch, all models together: those that are looked at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recbole_kd.experiments.report.curves import draw_metric
from recbole_kd.experiments.report.left_out import of_rows
from recbole_kd.experiments.report.pictures.averaged import mean_history
from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.legend import legend_of
from recbole_kd.experiments.report.pictures.panels import panels
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recbole_kd.experiments.report.compared import Compared

FIRST = 3
_COLUMNS = 3
_Histories = Mapping[str, Sequence[Mapping[str, Any]]]


def draw(compared: Compared) -> Drawn:
    """Up to three panels, a line a model: the tested metric first, then others of its cutoff."""
    return metric_panels(compared, slice(0, FIRST))


def metric_panels(compared: Compared, wanted: slice) -> Drawn:
    """A panel each of some of the metrics, in the order in which a reader looks for them.

    Raises:
        UserError: no model was validated, or there are no such metrics.
    """
    found, left_out = of_rows(compared.distinct(), lambda row: mean_history(compared, row))
    ranked = _by_interest(found, compared.metric)
    if not ranked:
        raise UserError("no model was validated while it trained; set epochs and eval_step to 1 or more")
    if not ranked[wanted]:
        raise UserError("there are no more metrics than those above")
    return Drawn(_panels(compared, found, ranked[wanted]), f"{compared.seeds(by_epoch=True)} {left_out}")


def _by_interest(histories: _Histories, first: str) -> list[str]:
    """All metrics: those of the first one's cutoff, then others by their cutoffs; the first one's name leads each."""
    there = dict.fromkeys(
        name for history in histories.values() for entry in history for name in entry.get("valid", {})
    )
    name, _, cutoff = first.partition("@")

    def place(metric: str) -> tuple[bool, int, bool]:
        its_name, _, its_cutoff = metric.partition("@")
        return its_cutoff != cutoff, int(its_cutoff or 0), its_name != name

    return sorted(there, key=place)


def _panels(compared: Compared, histories: _Histories, wanted: Sequence[str]) -> Figure:
    from matplotlib.ticker import MaxNLocator

    columns = min(len(wanted), _COLUMNS)
    margin = (max(8 - 3.9 * columns, 0) + 0.4, 0.8)
    figure, axes = panels(len(wanted), columns, (3.9, 2.4), margin, sharex=True)
    for place, (axis, metric) in enumerate(zip(axes, wanted, strict=True)):
        for row in compared.distinct():
            look = compared.look(row)
            history = [{**entry, "teachers_valid": {}} for entry in histories.get(row.label, ())]
            look |= {"markersize": 4, "linewidth": 1.4, "markevery": max(len(history) // 8, 1)}
            draw_metric(axis, history, metric, row.label, look.pop("color"), **look)
        axis.set(ylabel=f"validation {metric}")
        axis.grid(alpha=0.3)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if place + columns >= len(wanted):  # nothing below it
            axis.set_xlabel("epoch")
            axis.tick_params(labelbottom=True)
    legend_of(figure, axes[0])
    return figure


PICTURE = Picture(
    place=20,
    title="Validation metrics by epoch",
    reading="A line that still rises at its end was stopped by its number of epochs and may gain by more of them; one "
    "that has long been level or falling was stopped in time.",
    draw=draw,
)
