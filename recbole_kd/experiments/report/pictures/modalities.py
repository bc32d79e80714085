"""What each view of a multi-modal student contributes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_kd.experiments.report.colours import AMBER, BLUE, SKY
from recbole_kd.experiments.report.left_out import of_rows
from recbole_kd.experiments.report.numbers import Numbers
from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.legend import legend_of
from recbole_kd.experiments.report.pictures.panels import panels
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import find_model
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.serving.rankings import ranking

if TYPE_CHECKING:
    from recbole_kd.experiments.report.compared import Compared
    from recbole_kd.experiments.results.row import Row

_SETS = {"this view alone": (AMBER, "//"), "all but this view": (SKY, "")}


def contributions(compared: Compared, row: Row) -> Numbers:
    """The test metric of a model that ranks with one view alone, and with all but one.

    Returns:
        ``views``: names; by each of the sets of views an array (n_views,), in which "all views" is the same for all.
    """

    def compute() -> Numbers:
        trained = compared.trained(row)
        model: Any = trained.scores.model
        names = tuple(model.trained_views)

        @cache  # of two views, all but one is the other alone
        def metric(views: tuple[str, ...]) -> float:
            if not views:
                return float("nan")
            scores = ModelScores(model, lambda: model.embeddings_of(views))
            return float(compared.of_users(ranking(trained, scores, "test", compared.cutoff).hits).mean())

        whole = metric(names)
        return {
            "views": np.array(names),
            "all views": np.array([whole] * len(names)),
            "this view alone": np.array([metric((name,)) for name in names]),
            "all but this view": np.array([metric(tuple(one for one in names if one != name)) for name in names]),
        }

    return compared.numbers("modalities", [row], compute, compared.metric)


def draw(compared: Compared) -> Drawn:
    """One panel a model, in groups of bars one a view."""
    rows = [row for row in compared.distinct() if hasattr(find_model(row.model), "embeddings_of")]
    if not rows:
        raise UserError("it needs a model whose views can rank alone, such as --models=MTS4MM")
    found, left_out = of_rows(rows, lambda row: contributions(compared, row))
    figure, axes = panels(len(found), min(len(found), 2), (5.6, 3.8), sharey=True)
    for axis, (label, numbers) in zip(axes, found.items(), strict=True):
        places = np.arange(len(numbers["views"]))
        for shift, (name, (colour, hatch)) in zip((-0.2, 0.2), _SETS.items(), strict=True):
            look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white", "label": name}
            known = np.isfinite(numbers[name])  # a single view leaves none
            bars = axis.bar(places[known] + shift, numbers[name][known], 0.4, **look)
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
            axis.bar_label(bars, fmt="%.4f", fontsize="small", label_type="center", bbox=box)
        whole = numbers["all views"][0]
        axis.axhline(whole, color=BLUE, linestyle="--", linewidth=1.5, label="all views")
        axis.set_xticks(places, [str(name) for name in numbers["views"]])
        axis.set(xlabel="view", ylabel=f"test {compared.metric}")
        axis.set_title(f"{label}: all views {whole:.4f}", fontsize="medium", parse_math=False)
        axis.margins(y=0.12)
    legend_of(figure, axes[0])
    return Drawn(figure, f"Seed {compared.seed}. {left_out}")


PICTURE = Picture(
    place=60,
    title="What each modality contributes",
    reading="A view matters where its own bar is high and, above all, where the bar without it falls well below the "
    "dashed line; where that bar does not, the other views say the same.",
    draw=draw,
)
