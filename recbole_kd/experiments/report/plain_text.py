"""Names in pictures are names: a dollar sign begins no formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def without_mathematics(figure: Figure) -> None:
    """Take all texts of a finished figure literally, but for numbers at axes, which may be powers of ten."""
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter, ScalarFormatter

    numbers = {
        id(label)
        for axes in figure.findobj(Axes)
        for axis in (axes.xaxis, axes.yaxis)
        if isinstance(axis.get_major_formatter(), LogFormatter | ScalarFormatter)
        for label in [*axis.get_ticklabels(which="both"), axis.get_offset_text()]
    }
    for text in figure.findobj(Text):
        if id(text) not in numbers:
            text.set_parse_math(False)
