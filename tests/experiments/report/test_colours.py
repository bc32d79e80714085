"""Lines can be told apart without seeing colours."""

from recbole_kd.experiments.report.colours import style


def test_56_places_differ_in_colour_or_marker():
    assert len({(style(place)["color"], style(place)["marker"]) for place in range(56)}) == 56
    assert len({style(place)["marker"] for place in range(8)}) == 8
    assert style(56) | {"linestyle": None} == style(0) | {"linestyle": None}
