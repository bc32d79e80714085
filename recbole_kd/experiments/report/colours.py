"""One look for all pictures: Okabe and Ito's colours, told apart by colour-blind readers too, and marks beside them."""

from __future__ import annotations

from colorsys import hls_to_rgb
from typing import Any

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
AMBER, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#999999"

_CYCLE = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, BLACK)  # without the yellow, which is pale on white
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_STROKES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


_GOLDEN = (5**0.5 - 1) / 2  # of the circle of hues: steps of it never meet a hue again
_LIGHT = (0.32, 0.5, 0.62)


def style(place: int) -> dict[str, Any]:
    """Colour, marker and stroke of the line at ``place``; no two places have one colour."""
    return {
        "color": colour(place),
        "marker": _MARKERS[place % len(_MARKERS)],
        "linestyle": _STROKES[place % len(_STROKES)],
    }


def colour(place: int) -> str:
    """The colour at ``place``: the seven that all eyes tell apart, and then ever new ones of changing lightness."""
    if place < len(_CYCLE):
        return _CYCLE[place]
    further = place - len(_CYCLE)
    hue = (0.07 + further * _GOLDEN) % 1
    parts = hls_to_rgb(hue, _LIGHT[further % len(_LIGHT)], 0.65)
    return "#" + "".join(f"{round(255 * part):02X}" for part in parts)
