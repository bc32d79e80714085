"""Accuracy against cost."""

import numpy as np
import pytest

from recbole_kd.experiments.report.pictures.pareto import PICTURE, Point, front
from recbole_kd.foundation.errors import UserError
from tests.experiments.report.conftest import PAIR, stage


@pytest.mark.parametrize(
    ("points", "members"),
    [
        ([(1, 0.1, 0.01), (2, 0.3, 0.01), (2, 0.2, 0.01), (3, 0.3, 0.01), (9, 0.9, 0.01)], [0, 1, 4]),
        ([(1, 0.30, 0.02), (2, 0.31, 0.02), (3, 0.33, 0.02)], [0]),  # noise
        ([(1, 0.30, 0.02), (2, 0.31, 0.02), (3, 0.345, 0.02)], [0, 2]),
        ([(1, 0.3, 0.0), (1, 0.4, 0.0)], [1]),
        ([(1, 0.3, None), (2, 0.4, None)], []),  # of one seed nothing is known
        ([(1, 0.1, 0.0), (2, 0.9, None), (3, 0.2, 0.0)], [0, 2]),
        ([], []),
    ],
)
def test_members_differ_by_more_than_the_bars_say(points, members):
    points = [Point(*point) for point in points]
    assert front(points) == [points[place] for place in members]


def test_points_and_axes(compared):
    for row in compared.rows[1:]:
        row.stages[8] = row.stages[7]
    compared.rows[0].stages = {seed: stage(value, 1000, 0.5) for seed, value in ((7, 0.28), (8, 0.32))}
    drawn = PICTURE.draw(compared)
    values, alone, together = drawn.figure.axes
    assert [axis.get_xlabel() for axis in drawn.figure.axes] == [
        "values read at inference",
        "latency, ms a user (1 at a time)",
        "latency, ms a user (1,024 at a time)",
    ]
    assert values.get_ylabel() == "test ndcg@20"
    assert values.get_xscale() == "log"
    points = [bars.lines[0].get_xydata().ravel() for bars in values.containers]
    assert np.array(points) == pytest.approx(np.array([[1000, 0.3], [90000, 0.5], [50, 0.1], [2000, 0.25]]))
    assert values.lines[-1].get_xydata() == pytest.approx(np.array([[50, 0.1], [1000, 0.3], [90000, 0.5]]))
    assert {bars.lines[0].get_xdata()[0] for bars in alone.containers} == {0.5, 9.0, 0.1}
    assert {bars.lines[0].get_xdata()[0] for bars in together.containers} == {0.05, 0.9, 0.01}
    labels = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert labels == ["BPR", f"{PAIR} teacher", f"{PAIR} alone", PAIR, "Pareto front"]
    assert drawn.about == "Mean over seeds 7 to 8. Bars: standard deviation over seeds. Latency: of one seed's model."


def test_no_front_of_noise(compared):
    def labels():
        drawn = PICTURE.draw(compared)
        return drawn.about, [text.get_text() for text in drawn.figure.legends[0].get_texts()]

    about, shown = labels()  # of one row alone there are two seeds
    assert "There is no front: no dearer model is better than a cheaper one by more than the bars say." in about
    assert "Pareto front" not in shown
    del compared.rows[0].stages[8]
    about, shown = labels()
    assert "With one seed there are no error bars, and no front can be drawn" in about
    assert "Pareto front" not in shown


def test_without_latencies_or_metrics(compared):
    for row in compared.rows:
        for one in row.stages.values():
            one["latency"] = None
    assert len(PICTURE.draw(compared).figure.axes) == 1
    compared.metric = "mrr@20"
    with pytest.raises(UserError, match="no run ended with figures"):
        PICTURE.draw(compared)
