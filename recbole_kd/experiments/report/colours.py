"""One look for all pictures: Okabe and Ito's colours, told apart by colour-blind readers too, and marks beside them."""

from __future__ import annotations

from typing import Any

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
AMBER, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#999999"

_CYCLE = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, BLACK)  # without the yellow, which is pale on white
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_STROKES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def style(place: int) -> dict[str, Any]:
    """Colour, marker and stroke of the line at ``place``; the first 56 places differ in colour or marker."""
    return {
        "color": _CYCLE[place % len(_CYCLE)],
        "marker": _MARKERS[place % len(_MARKERS)],
        "linestyle": _STROKES[place % len(_STROKES)],
    }
