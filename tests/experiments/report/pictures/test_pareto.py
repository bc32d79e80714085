"""Accuracy against cost."""

import numpy as np
import pytest

from recbole_kd.experiments.report.pictures.pareto import PICTURE, front
from recbole_kd.foundation.errors import UserError
from tests.experiments.report.conftest import PAIR


def test_front():
    points = [(1, 0.1), (2, 0.3), (2, 0.2), (3, 0.3), (9, 0.9), (5, 0.4), (1, 0.05)]
    assert front(points) == [(1, 0.1), (2, 0.3), (5, 0.4), (9, 0.9)]


def test_points_and_axes(compared):
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


def test_without_latencies_or_metrics(compared):
    for row in compared.rows:
        for stage in row.stages.values():
            stage["latency"] = None
    assert len(PICTURE.draw(compared).figure.axes) == 1
    compared.metric = "mrr@20"
    with pytest.raises(UserError, match="no run ended with figures"):
        PICTURE.draw(compared)
