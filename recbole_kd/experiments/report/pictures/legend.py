"""A legend of all panels, below them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS_A_LETTER = 6.2  # of the usual 10 points
_POINTS_A_MARK = 45


def columns(labels: Iterable[str], width: float, most: int = 4) -> int:
    """How many columns of a legend fit into ``width`` inches."""
    labels = list(labels)
    needed = max((len(label) for label in labels), default=0) * _POINTS_A_LETTER + _POINTS_A_MARK
    return min(max(int(72 * width // needed), 1), most, max(len(labels), 1))


def legend_below(figure: Figure, entries: Mapping[str, Any]) -> None:
    """Write a legend with as many columns as are not cut off.

    Args:
        figure: with constrained layout.
        entries: what is drawn, by its label.
    """
    ncols = columns(entries, figure.get_figwidth())
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=ncols, frameon=False)


def legend_of(figure: Figure, axis: Axes) -> None:
    """:func:`legend_below` of what one panel shows, where all panels show the same."""
    handles, labels = axis.get_legend_handles_labels()
    legend_below(figure, dict(zip(labels, handles, strict=True)))
