"""For which users and which items a model is good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recbole_kd.data.interactions import activity_of, popularity_of
from recbole_kd.experiments.report.groups import quartiles
from recbole_kd.experiments.report.left_out import of_rows
from recbole_kd.experiments.report.numbers import Numbers
from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.legend import legend_of
from recbole_kd.serving.rankings import held_out, ranking

if TYPE_CHECKING:
    from recbole_kd.experiments.report.compared import Compared
    from recbole_kd.experiments.results.row import Row


def by_group(compared: Compared, row: Row) -> Numbers:
    """A model's metric for users of each activity, and recall of test items of each popularity.

    Returns:
        ``user`` and ``item``: values by group, the fewest training interactions first; ``user_labels`` and
        ``item_labels``: the numbers of interactions; ``user_sizes`` and ``item_sizes``: test users, and test
        interactions, of each group.
    """

    def compute() -> Numbers:
        trained = compared.trained(row)
        found = ranking(trained, trained.scores, "test", compared.cutoff)
        values = compared.of_users(found.hits).double().numpy()
        users = quartiles(activity_of(trained.train)[found.users.numpy()])
        popularity = quartiles(popularity_of(trained.train)[1:])
        wanted = popularity.of[held_out(trained, "test").rows(found.users)[1].numpy() - 1]
        listed = popularity.of[found.items[found.hits[:, :-1].bool()].numpy() - 1]
        sizes = np.bincount(wanted, minlength=len(popularity.labels))
        hits = np.bincount(listed, minlength=len(popularity.labels))
        user_sizes = np.bincount(users.of)
        return {
            "user": np.bincount(users.of, values) / user_sizes,
            "user_labels": np.array(users.labels),
            "user_sizes": user_sizes,
            "item": np.divide(hits, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0),
            "item_labels": np.array(popularity.labels),
            "item_sizes": sizes,
        }

    return compared.numbers("groups", [row], compute, compared.metric)


def draw(compared: Compared) -> Drawn:
    """Two panels, users and items, with a line a model."""
    from matplotlib.figure import Figure

    rows = compared.distinct()
    found, left_out = of_rows(rows, lambda row: by_group(compared, row))
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    panels = figure.subplots(1, 2)
    first = next(iter(found.values()))
    for axis, what, size in zip(panels, ("user", "item"), ("test users", "test interactions"), strict=True):
        for row in rows:
            if row.label in found:
                values = found[row.label][what]
                shift = 0.04 * (list(found).index(row.label) - (len(found) - 1) / 2)  # so that equal points are seen
                axis.plot(np.arange(len(values)) + shift, values, label=row.label, markersize=7, **compared.look(row))
        labels = [
            f"{label}\nn = {count:,}"
            for label, count in zip(first[f"{what}_labels"], first[f"{what}_sizes"], strict=True)
        ]
        axis.set_xticks(range(len(labels)), labels)
        axis.set_xlabel(f"training interactions of the {what} (n: {size})")
        axis.grid(alpha=0.3, axis="y")
        axis.margins(x=0.1)
    panels[0].set(ylabel=f"test {compared.metric}", title="users by activity, in quartiles")
    panels[1].set(ylabel=f"test recall@{compared.cutoff} of the items", title="items by popularity, in quartiles")
    legend_of(figure, panels[0])
    return Drawn(figure, f"Seed {compared.seed}. {left_out}")


PICTURE = Picture(
    place=90,
    title="Active users, popular items",
    reading="Left: how well users with few and with many training interactions are served; right: which share of the "
    "test interactions with rare and with popular items the lists find; a model that knows no more than popularity is "
    "at 0 but in the last group.",
    draw=draw,
)
