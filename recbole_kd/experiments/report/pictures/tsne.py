"""Maps of the items: raw features, and the embeddings of teachers and students."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_kd.data.interactions import popularity_of
from recbole_kd.experiments.report.colours import BLACK, BLUE, ORANGE, SKY
from recbole_kd.experiments.report.groups import Groups, quartiles
from recbole_kd.experiments.report.left_out import of_rows
from recbole_kd.experiments.report.numbers import Numbers
from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.panels import panels
from recbole_kd.foundation.errors import UserError
from recbole_kd.serving.trained_model import TrainedModel

if TYPE_CHECKING:
    from recbole_kd.experiments.report.compared import Compared
    from recbole_kd.experiments.results.row import Row

MOST_ITEMS = 1000
_MOST_PANELS = 12
_COLUMNS = 4
_LOOK = ((SKY, "o"), (BLUE, "s"), (ORANGE, "^"), (BLACK, "D"))  # of the groups, the rarest items first


def sample(n_items: int) -> np.ndarray:
    """Internal ids of at most :data:`MOST_ITEMS` items, ascending, always the same of a data set."""
    drawn = np.random.default_rng(0).permutation(np.arange(1, n_items))[:MOST_ITEMS]
    return np.sort(drawn)


def project(values: np.ndarray) -> np.ndarray:
    """t-SNE of rows (n, d) in two dimensions, (n, 2), after PCA to 50; the seed is fixed. NaN where all rows are equal.

    Raises:
        UserError: there are fewer than four rows.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(values) < 4:
        raise UserError(f"a map needs at least 4 items, and there are {len(values)}")
    if not np.ptp(values, axis=0).any():
        return np.full((len(values), 2), np.nan)
    size = min(50, *values.shape)
    if size < values.shape[1]:
        values = PCA(size, random_state=0).fit_transform(values)
    initial = "pca" if size > 1 else "random"
    maps = TSNE(perplexity=min(30.0, (len(values) - 1) / 3), init=initial, random_state=0)
    found: np.ndarray = maps.fit_transform(values)
    return found


def _items(compared: Compared, row: Row) -> Numbers:
    def compute() -> Numbers:
        trained = compared.trained(row)
        items = trained.scores.computed_once().embeddings()[1].detach().cpu().numpy()
        return {"map": project(items[sample(len(items))])}

    return compared.numbers("tsne", [row], compute)


def _of_data(compared: Compared, row: Row) -> Numbers:
    """``popularity`` of all items but the padding, and a map by ``feature <modality>``."""

    def compute() -> Numbers:
        trained: TrainedModel = compared.trained(row)
        ids = sample(trained.train.item_num)
        maps = {
            f"feature {name}": project(trained.train.features(name).numpy()[ids]) for name in trained.train.modalities
        }
        return {**maps, "popularity": popularity_of(trained.train)[1:]}

    return compared.numbers("tsne-data", [row], compute)


def draw(compared: Compared) -> Drawn:
    """Panels of features first, then of models, pairs before others."""
    rows = compared.distinct()
    paired = {row.label for pair in compared.pairs() for row in pair if row is not None}
    rows = sorted(rows, key=lambda row: row.label not in paired)
    data, reasons = None, []
    for row in rows:
        try:
            data = _of_data(compared, row)
            break
        except UserError as error:
            reasons.append(str(error))
    if data is None:
        raise UserError(reasons[0])
    maps = {f"{name.removeprefix('feature ')} features": data[name] for name in data if name.startswith("feature ")}
    chosen, rest = rows[: _MOST_PANELS - len(maps)], rows[_MOST_PANELS - len(maps) :]
    found, left_out = of_rows(chosen, lambda row: _items(compared, row)["map"])
    if rest:
        left_out += f" There is no room for {', '.join(row.label for row in rest)}."
    groups = quartiles(data["popularity"])
    groups = groups._replace(of=groups.of[sample(len(groups.of) + 1) - 1])
    about = f"Seed {compared.seed}, {len(groups.of):,} items{' drawn at random' * (len(groups.of) == MOST_ITEMS)}. "
    return Drawn(_panels(maps | found, groups), about + left_out)


def _panels(maps: dict[str, np.ndarray], groups: Groups) -> Any:
    figure, axes = panels(len(maps), _COLUMNS, (3.0, 3.1), (0.0, 0.6))
    looks = _LOOK[-len(groups.labels) :]
    for axis, (name, points) in zip(axes, maps.items(), strict=True):
        for group, (label, (colour, marker)) in enumerate(zip(groups.labels, looks, strict=True)):
            inside = groups.of == group
            look: dict[str, Any] = {
                "s": 9,
                "color": colour,
                "marker": marker,
                "alpha": 0.7,
                "linewidths": 0,
                "label": label,
            }
            axis.scatter(*points[inside].T, **look)
        axis.set_title(name, fontsize="medium", parse_math=False)
        axis.set(xticks=[], yticks=[])
    figure.supxlabel("first t-SNE axis, without unit", fontsize="medium")
    figure.supylabel("second t-SNE axis, without unit", fontsize="medium")
    handles, labels = axes[0].get_legend_handles_labels()
    title = "training interactions of an item, in quartiles of items"
    figure.legend(
        handles, labels, title=title, loc="outside upper center", ncols=len(labels), markerscale=2.5, frameon=False
    )
    return figure


PICTURE = Picture(
    place=70,
    title="Maps of the items",
    reading="Points near each other are items that are alike to a model (long distances and directions say nothing): "
    "where each colour has a region of its own, popularity decides what is alike, and where all are mixed, something "
    "else does.",
    draw=draw,
)
