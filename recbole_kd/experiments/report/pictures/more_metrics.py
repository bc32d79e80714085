"""The validation metrics by epoch that are looked at later, on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.experiments.report.pictures.metrics import FIRST, metric_panels

if TYPE_CHECKING:
    from recbole_kd.experiments.report.compared import Compared


def draw(compared: Compared) -> Drawn:
    """A panel a metric, a line a model."""
    return metric_panels(compared, slice(FIRST, None))


PICTURE = Picture(
    place=25,
    title="The other validation metrics by epoch",
    reading="As above: a metric that goes another way than the others says that the lists change in a place that it "
    "alone looks at.",
    draw=draw,
    folded=True,
)
