"""Pictures of teachers and their students."""

import numpy as np
import pytest

from recbole_kd.experiments.report.pictures import overlap, ranks
from recbole_kd.foundation.errors import UserError
from tests.experiments.report.conftest import PAIR, lines


@pytest.fixture
def agreed(monkeypatch):
    def agreement(compared, pair, alone):
        rank = np.array([30.0, 60.0] if alone else [1.5, 4.0])
        return {"rank": rank, "overlap": np.array([0.1, 0.2, 0.3]) * (1 if alone else 3), "users": np.array(1234)}

    for module in (ranks, overlap):
        monkeypatch.setattr(module, "agreement", agreement)


def test_ranks(compared, agreed):
    drawn = ranks.PICTURE.draw(compared)
    (axis,) = drawn.figure.axes
    assert lines(axis) == {
        "distilled student": [(1, 1.5), (2, 4.0)],
        "student alone": [(1, 30.0), (2, 60.0)],
        "as the teacher": [(1, 1), (2, 2)],
    }
    assert axis.get_title() == PAIR
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("teacher's rank of an item", "student's mean rank of that item")
    assert drawn.about.strip() == "Seed 7, mean over 1,234 users."


def test_final_overlap(compared, agreed):
    drawn = overlap.PICTURE.draw(compared)
    _, axis = drawn.figure.axes
    bars = {container.get_label(): [bar.get_height() for bar in container] for container in axis.containers}
    assert bars == {PAIR: pytest.approx([0.3, 0.6, 0.9]), f"{PAIR} alone": pytest.approx([0.1, 0.2, 0.3])}
    assert [label.get_text() for label in axis.get_xticklabels()] == ["top 10", "top 20", "top 50"]
    said = "Mean over seeds 7 to 8; a line ends where the first of them stopped. In the end: seed 7."
    assert drawn.about.strip() == said
    del compared.rows[0].stages[8]
    assert overlap.PICTURE.draw(compared).about == "Seed 7."


@pytest.mark.parametrize("picture", [ranks.PICTURE, overlap.PICTURE])
def test_without_pairs(compared, picture):
    compared.rows = compared.rows[:1]
    with pytest.raises(UserError, match="needs a distilled student and a teacher with a checkpoint of its own"):
        picture.draw(compared)


def test_a_teacher_that_is_gone(compared):
    with pytest.raises(UserError, match=r"^there is no checkpoint at 90000-0\.5\.pth"):
        ranks.PICTURE.draw(compared)
