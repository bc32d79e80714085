"""Lines can be told apart, without seeing colours too."""

from recbole_kd.experiments.report.colours import style


def test_as_many_colours_as_rows():
    assert len({style(place)["color"] for place in range(500)}) == 500
    assert all(len(style(place)["color"]) == 7 for place in range(500))
    assert len({style(place)["marker"] for place in range(8)}) == 8


def test_neighbours_differ_in_marker_and_stroke():
    for place in range(60):
        one, next_one = style(place), style(place + 1)
        assert one["marker"] != next_one["marker"]
        assert one["linestyle"] != next_one["linestyle"]
