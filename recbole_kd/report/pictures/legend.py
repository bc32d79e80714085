"""A legend of all panels, below them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS_A_LETTER = 6.2  # of the usual 10 points
_POINTS_A_MARK = 45


def legend_below(figure: Figure, entries: Mapping[str, Any]) -> None:
    """Write a legend with as many columns as are not cut off.

    Args:
        figure: with constrained layout.
        entries: what is drawn, by its label.
    """
    width = max((len(label) for label in entries), default=0) * _POINTS_A_LETTER + _POINTS_A_MARK
    columns = int(72 * figure.get_figwidth() // width)
    columns = min(max(columns, 1), 4, len(entries))
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=columns, frameon=False)
