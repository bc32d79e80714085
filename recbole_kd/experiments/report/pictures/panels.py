"""Panels side by side and below each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(
    count: int, columns: int, size: tuple[float, float], margin: tuple[float, float] = (0.0, 0.0), **shared: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, line by line; what is left of the last line stays empty.

    Args:
        count: at least 1.
        columns: panels a line.
        size: width and height of a panel, inches.
        margin: what the figure has besides, inches.
        shared: ``sharex`` and ``sharey`` of ``Figure.subplots``.
    """
    from matplotlib.figure import Figure

    lines = -(-count // columns)
    width, height = size[0] * columns + margin[0], size[1] * lines + margin[1]
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False, **shared).ravel())
    for axis in axes[count:]:
        axis.set_axis_off()
    return figure, axes[:count]
