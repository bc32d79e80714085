"""Heat maps of a search."""

from pathlib import Path

import numpy as np
import pytest

from recbole_kd.experiments.report.pictures.sensitivity import PICTURE, sensitivity
from recbole_kd.foundation.errors import UserError


def study(folder: Path, text: str) -> Path:
    path = folder / "trials.csv"
    path.write_text(text)
    return path


TRIALS = """trial,state,valid,learning_rate,emb_weight,reg_weight,rank_weight,reason
0,complete,0.1,0.1,0.01,1e-9,0.1,
1,complete,0.3,0.1,0.01,1e-1,0.1,
2,complete,0.5,1e-5,1.0,1e-5,1000.0,
3,failed,,0.1,1.0,0.1,0.1,no
4,pruned,0.9,0.1,1.0,0.1,0.1,
"""


def test_best_of_each_field(tmp_path):
    found = sensitivity(study(tmp_path, TRIALS))
    assert (found.x, found.y, found.trials) == ("rank_weight", "emb_weight", 3)
    assert found.x_edges == pytest.approx(np.geomspace(0.1, 1000, 6))
    assert (found.best[0, 0], found.best[-1, -1]) == (0.3, 0.5)
    assert np.isfinite(found.best).sum() == 2


def test_other_numbers_where_there_are_no_two_weights(tmp_path):
    text = "trial,state,valid,n_layers,dropout,optimiser\n0,complete,0.1,1,0.0,adam\n1,complete,0.2,4,0.5,sgd\n"
    found = sensitivity(study(tmp_path, text))
    assert {found.x, found.y} == {"n_layers", "dropout"}
    assert np.nanmax(found.best) == 0.2


def test_picture(compared, tmp_path):
    compared.studies = {"BPR": study(tmp_path, TRIALS), "gone": tmp_path / "none.csv"}
    drawn = PICTURE.draw(compared)
    axis = drawn.figure.axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()) == ("rank_weight", "emb_weight", "BPR, 3 trials")
    assert sorted(text.get_text() for text in axis.texts) == ["0.3000", "0.5000"]
    assert "none.csv is missing or damaged" in drawn.about
    assert drawn.figure.axes[-1].get_ylabel() == "best validation score"


@pytest.mark.parametrize("text", ["", "trial,state\n0,complete\n", "\0\0"])
def test_damaged(compared, tmp_path, text):
    compared.studies = {"BPR": study(tmp_path, text)}
    with pytest.raises(UserError, match=r"trials\.csv is missing or damaged; repeat recbole-kd tune"):
        PICTURE.draw(compared)


def test_too_few(compared, tmp_path):
    with pytest.raises(UserError, match="needs the trials of recbole-kd tune"):
        PICTURE.draw(compared)
    compared.studies = {"BPR": study(tmp_path, "trial,state,valid,n_layers,reason\n0,complete,0.1,1,\n")}
    with pytest.raises(UserError, match="vary fewer than two numbers"):
        PICTURE.draw(compared)
