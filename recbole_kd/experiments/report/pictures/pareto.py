"""Accuracy against what a served model costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.legend import legend_below
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recbole_kd.experiments.report.compared import Compared

_COSTS = {
    "inference_parameters": "values read at inference",
    "ms_per_user_1": "latency, ms a user (1 at a time)",
    "ms_per_user_1024": "latency, ms a user (1,024 at a time)",
}


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, accuracy) of which no other is at once cheaper or as cheap and better, by rising cost."""
    best: list[tuple[float, float]] = []
    for cost, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or accuracy > best[-1][1]:
            best.append((cost, accuracy))
    return best


def draw(compared: Compared) -> Drawn:
    """One panel a cost; points are means over seeds with their standard deviations."""
    from matplotlib.figure import Figure

    rows = [row for row in compared.distinct() if len(row.metric(compared.metric))]
    costs = {row.label: row.costs() for row in rows}
    known = [name for name in _COSTS if any(costs[row.label][name] for row in rows)]
    if not known:
        raise UserError("no run ended with figures of both accuracy and cost; repeat the command")
    figure = Figure(figsize=(max(4.2 * len(known), 8), 4.6), layout="constrained")
    handles: dict[str, Any] = {}
    for axis, name in zip(figure.subplots(1, len(known), sharey=True, squeeze=False)[0], known, strict=True):
        points = []
        for row in rows:
            cost, values = costs[row.label][name], row.metric(compared.metric)
            if not cost:
                continue
            spread = values.std(ddof=1) if len(values) > 1 else None
            look = compared.look(row) | {"linestyle": "none"}
            handles[row.label] = axis.errorbar(cost, values.mean(), yerr=spread, markersize=9, capsize=3, **look)
            points.append((cost, float(values.mean())))
        (handles["Pareto front"],) = axis.plot(*zip(*front(points), strict=True), color="0.5", linestyle="--", zorder=0)
        axis.set_xlabel(_COSTS[name])
        _scale(axis, [cost for cost, _ in points])
        axis.grid(alpha=0.3)
    figure.axes[0].set_ylabel(f"test {compared.metric}")
    handles["Pareto front"] = handles.pop("Pareto front")  # last
    legend_below(figure, handles)
    bars = " Bars: standard deviation over seeds." * (max(len(row.stages) for row in rows) > 1)
    return Drawn(figure, f"{compared.seeds()}{bars} Latency: of one seed's model.")


def _scale(axis: Axes, costs: Sequence[float]) -> None:
    """Logarithmic where the costs span a decade, and no more ticks than have room."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    if max(costs) < 10 * min(costs):
        axis.xaxis.set_major_locator(MaxNLocator(5))
        return
    axis.set_xscale("log")
    if max(costs) < 100 * min(costs):
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


PICTURE = Picture(
    place=10,
    title="Accuracy against cost",
    reading="Higher is better and further left is cheaper: the dashed line joins the models that no other one beats at "
    "their cost or below (the Pareto front).",
    draw=draw,
)
