"""Where a student ranks what its teacher ranks first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recbole_kd.experiments.report.agreement import agreement, pair_names
from recbole_kd.experiments.report.colours import BLUE, GREY
from recbole_kd.experiments.report.left_out import of_each
from recbole_kd.experiments.report.numbers import Numbers
from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.panels import panels

if TYPE_CHECKING:
    from recbole_kd.experiments.report.compared import Compared, Pair


def draw(compared: Compared) -> Drawn:
    """One panel a pair: the distilled student and the same student alone."""
    from matplotlib.ticker import StrMethodFormatter

    found, left_out = of_each(pair_names(compared), lambda pair: _lines(compared, pair))
    figure, axes = panels(len(found), min(len(found), 3), (4.6, 3.9), (0.6, 0.0), sharey=True)
    for axis, (name, lines) in zip(axes, found.items(), strict=True):
        for (label, numbers), colour, marker in zip(lines.items(), (BLUE, GREY), ("o", "s"), strict=False):
            places = np.arange(1, len(numbers["rank"]) + 1)
            axis.plot(places, numbers["rank"], color=colour, marker=marker, markersize=4, label=label)
        axis.plot(places, places, color="black", linestyle=":", label="as the teacher")
        axis.set(xlabel="teacher's rank of an item", ylabel="student's mean rank of that item", yscale="log")
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axis.set_title(name, fontsize="medium", parse_math=False)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    users = next(iter(next(iter(found.values())).values()))["users"]
    return Drawn(figure, f"Seed {compared.seed}, mean over {int(users):,} users. {left_out}")


def _lines(compared: Compared, pair: Pair) -> dict[str, Numbers]:
    lines = {"distilled student": agreement(compared, pair, alone=False)}
    if pair.alone is not None:
        lines["student alone"] = agreement(compared, pair, alone=True)
    return lines


PICTURE = Picture(
    place=40,
    title="Teacher rank against student rank",
    reading="The nearer a line is to the dotted one, the more the student ranks as its teacher does; the gap between "
    "the distilled student and the same student alone is what distillation has handed on.",
    draw=draw,
)
