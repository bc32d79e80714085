"""Accuracy against what a served model costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.legend import legend_below
from recbole_kd.experiments.report.pictures.panels import panels
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recbole_kd.experiments.report.compared import Compared
    from recbole_kd.experiments.results.row import Row

_COSTS = {
    "inference_parameters": "values read at inference",
    "ms_per_user_1": "latency, ms a user (1 at a time)",
    "ms_per_user_1024": "latency, ms a user (1,024 at a time)",
}


class Point(NamedTuple):
    """Of one model: a cost, the mean accuracy over seeds, and its standard deviation, None of one seed."""

    cost: float
    mean: float
    deviation: float | None = None


def front(points: Sequence[Point]) -> list[Point]:
    """The cheapest point, and by rising cost each that is better than the last one by more than both their bars.

    A point without a bar is no member: what it differs by may be noise.
    """
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.mean)):
        if point.deviation is None:
            continue
        last = best[-1] if best else None
        if last is None or point.mean - point.deviation > last.mean + (last.deviation or 0.0):
            best.append(point)
    return best


def draw(compared: Compared) -> Drawn:
    """One panel a cost; points are means over seeds with their standard deviations."""
    rows = [row for row in compared.distinct() if len(row.metric(compared.metric))]
    costs = {row.label: row.costs() for row in rows}
    known = [name for name in _COSTS if any(costs[row.label][name] for row in rows)]
    if not known:
        raise UserError("no run ended with figures of both accuracy and cost; repeat the command")
    figure, axes = panels(len(known), len(known), (4.2, 4.6), (max(8 - 4.2 * len(known), 0), 0.0), sharey=True)
    handles: dict[str, Any] = {}
    line = None
    for axis, name in zip(axes, known, strict=True):
        found = [(row, _point(row, compared.metric, costs[row.label][name])) for row in rows]
        points = [(row, point) for row, point in found if point is not None]
        for row, point in points:
            look = compared.look(row) | {"linestyle": "none"}
            bar = axis.errorbar(point.cost, point.mean, yerr=point.deviation, markersize=9, capsize=3, **look)
            handles[row.label] = bar
        members = front([point for _, point in points])
        if len(members) > 1:
            ends = [(point.cost, point.mean) for point in members]
            (line,) = axis.plot(*zip(*ends, strict=True), color="0.5", linestyle="--", zorder=0)
        axis.set_xlabel(_COSTS[name])
        _scale(axis, [point.cost for _, point in points])
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(f"test {compared.metric}")
    legend_below(figure, handles if line is None else {**handles, "Pareto front": line})
    return Drawn(figure, f"{compared.seeds()} {_about(rows, line is not None)} Latency: of one seed's model.")


def _point(row: Row, metric: str, cost: float | None) -> Point | None:
    values = row.metric(metric)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return Point(cost, float(values.mean()), deviation) if cost else None


def _about(rows: Sequence[Row], drawn: bool) -> str:
    """What the bars are, and why there is no front, or who cannot be in it."""
    single = [row.label for row in rows if len(row.stages) == 1]
    if len(single) == len(rows):
        return (
            "With one seed there are no error bars, and no front can be drawn: what the points differ by may be noise."
        )
    said = "Bars: standard deviation over seeds."
    if not drawn:
        return f"{said} There is no front: no dearer model is better than a cheaper one by more than the bars say."
    return f"{said} Of one seed, and so not in the front: {', '.join(single)}." if single else said


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
    reading="Higher is better and further left is cheaper: the dashed line (the Pareto front) joins the cheapest model "
    "and each dearer one that is better than the last by more than the error bars of both.",
    draw=draw,
)
