"""How much of the teacher's top list is in the student's, while it learns and in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_kd.experiments.report.agreement import CUTOFFS, agreement, pair_names
from recbole_kd.experiments.report.left_out import of_each
from recbole_kd.experiments.report.pictures.averaged import mean_history
from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.legend import columns
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recbole_kd.experiments.report.compared import Compared, Pair
    from recbole_kd.experiments.results.row import Row

_WIDTH = 5.6  # inches of a panel
_BY_EPOCH = {"overlap": "-", "closure": ":"}


def draw(compared: Compared) -> Drawn:
    """Diagnostics by epoch, where a method has them, and the final overlap, from the checkpoints."""
    from matplotlib.figure import Figure

    pairs = pair_names(compared)
    students = {pair.student.label: pair.student for pair in pairs.values()}
    measured = {label: points for label, row in students.items() if (points := _by_epoch(compared, row))}
    try:
        final, left_out = of_each(pairs, lambda pair: _final(compared, pair))
    except UserError as error:
        if not measured:
            raise
        final, left_out = {}, f"There is no overlap of the end: {error}."
    figure = Figure(figsize=(_WIDTH * (bool(final) + bool(measured)), 4.2), layout="constrained")
    axes = list(figure.subplots(1, bool(final) + bool(measured), squeeze=False)[0])
    if measured:
        _draw_epochs(axes.pop(0), compared, students, measured)
    if final:
        _draw_final(axes.pop(0), compared, pairs, final)
    of_lines, of_bars = compared.seeds(by_epoch=True), f"Seed {compared.seed}."
    about = [of_lines] * bool(measured) + [of_bars if not measured else f"In the end: {of_bars.lower()}"] * bool(final)
    return Drawn(figure, " ".join([*(about if of_lines != of_bars else [of_bars]), left_out]).strip())


def _final(compared: Compared, pair: Pair) -> tuple[Any, Any]:
    """Overlaps of the distilled student and, or None, of the same student alone."""
    alone = None if pair.alone is None else agreement(compared, pair, alone=True)["overlap"]
    return agreement(compared, pair, alone=False)["overlap"], alone


def _by_epoch(compared: Compared, row: Row) -> dict[str, list[tuple[int, float]]]:
    """Epoch (1 being the first) and share, by what is measured; nothing where it is not."""
    try:
        history = mean_history(compared, row)
    except UserError:
        return {}
    found = {
        key: [
            (int(entry["epoch"]) + 1, entry["diagnostics"][key])
            for entry in history
            if isinstance(entry.get("diagnostics", {}).get(key), float)
        ]
        for key in _BY_EPOCH
    }
    return {key: points for key, points in found.items() if points}


def _draw_epochs(axis: Axes, compared: Compared, rows: dict[str, Row], measured: dict[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    for label, curves in measured.items():
        for key, points in curves.items():
            look = compared.look(rows[label]) | {"linestyle": _BY_EPOCH[key], "markersize": 5}
            look["markevery"] = max(len(points) // 8, 1)
            axis.plot(*zip(*points, strict=True), label=f"{label}: {key}", **look)
    axis.set(xlabel="epoch", ylabel="share at the start of the epoch", ylim=(0, 1), title="while it learns")
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.grid(alpha=0.3)
    _legend_below(axis)


def _legend_below(axis: Axes) -> None:
    _, labels = axis.get_legend_handles_labels()
    look = {"fontsize": "small", "frameon": False, "ncols": columns(labels, _WIDTH, 2)}
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), **look)


def _draw_final(axis: Axes, compared: Compared, pairs: dict[str, Any], final: dict[str, Any]) -> None:
    """Bars in groups, one a cutoff; those of students alone are hatched."""
    bars = [(name, kind, values[kind]) for name, values in final.items() for kind in (0, 1) if values[kind] is not None]
    width = 0.8 / len(bars)
    for place, (name, kind, values) in enumerate(bars):
        middles = np.arange(len(CUTOFFS)) + (place - (len(bars) - 1) / 2) * width
        colour = compared.look(pairs[name].alone if kind else pairs[name].student)["color"]
        hatch = "//" if kind else None
        label = f"{name}{' alone' * kind}"
        drawn = axis.bar(middles, values, width, color=colour, hatch=hatch, edgecolor="white", label=label)
        if len(bars) <= 4:
            axis.bar_label(drawn, fmt="%.2f", fontsize="small")
    axis.set_xticks(range(len(CUTOFFS)), [f"top {k}" for k in CUTOFFS])
    axis.set(xlabel="length of both lists", ylabel="share of the teacher's list", title="in the end")
    axis.set(ylim=(0, 1.06), yticks=[n / 5 for n in range(6)])  # a bar of 1 has room for its number
    _legend_below(axis)


PICTURE = Picture(
    place=50,
    title="Overlap of teacher's and student's lists",
    reading="1 means that all of the teacher's top items are among the student's: plain bars above hatched ones, and "
    "lines that rise, are what distillation brings (closure: the share of the taught items that the student ranks "
    "first).",
    draw=draw,
)
