"""The interface of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recbole_kd.experiments.report.compared import Compared


@dataclass(frozen=True)
class Drawn:
    """A picture, and which seeds, users or rows it is of, in whole sentences."""

    figure: Figure
    about: str


@dataclass(frozen=True)
class Picture:
    """One kind of picture: a file of this folder with a ``PICTURE`` is in every report.

    Attributes:
        place: pictures stand in the order of these.
        title: above it.
        reading: one sentence that says how to read it.
        draw: makes it; raises :class:`~recbole_kd.foundation.errors.UserError`, which says what would give it, where
            the data for it are not there.
        folded: it is shown on demand.
    """

    place: int
    title: str
    reading: str
    draw: Callable[[Compared], Drawn]
    folded: bool = False
