"""Pictures by epoch: validation metrics, loss terms, and overlap while a student learns."""

import json

import pytest

from recbole_kd.experiments.report.pictures import losses, metrics, overlap
from recbole_kd.foundation.errors import UserError
from tests.experiments.report.conftest import PAIR, lines


def near(points: list[tuple[float, float]]):
    return [pytest.approx(point) for point in points]


def test_metrics_of_all_models(compared):
    drawn = metrics.PICTURE.draw(compared)
    axes = drawn.figure.axes
    names = ["validation recall@10", "validation recall@20", "validation ndcg@10", "validation ndcg@20"]
    assert [axis.get_ylabel() for axis in axes] == names
    assert [axis.get_xlabel() for axis in axes] == ["", "", "epoch", "epoch"]
    found = lines(axes[3])
    assert list(found) == ["BPR", f"{PAIR} teacher", f"{PAIR} alone", PAIR]
    assert found["BPR"] == near([(1, 0.2), (2, 0.3)])  # the third epoch is one seed's alone
    assert found[PAIR] == near([(1, 0.1), (2, 0.3)])
    assert lines(axes[0])["BPR"] == near([(1, 0.1), (2, 0.15)])
    assert drawn.about.strip() == "Mean over seeds 7 to 8; a line ends where the first of them stopped."


def test_one_cutoff_is_a_grid_all_the_same(compared):
    for name in ("one", "two", "pair"):
        path = compared.rows[0].histories[7].with_name(f"{name}.json")
        histories = json.loads(path.read_text())
        for entry in (entry for history in histories.values() for entry in history):
            entry["valid"] = {f"{metric}@20": 0.5 for metric in ("recall", "ndcg", "precision", "hit", "mrr")}
        path.write_text(json.dumps(histories))
    axes = metrics.PICTURE.draw(compared).figure.axes
    assert [axis.get_ylabel() for axis in axes if axis.axison][-1] == "validation mrr@20"
    assert [axis.get_xlabel() for axis in axes] == ["", "", "epoch", "epoch", "epoch", ""]


def test_a_model_without_losses_has_no_panel_of_them(compared):
    path = compared.rows[2].histories[7]
    histories = json.loads(path.read_text())
    histories[f"{PAIR} alone"][0]["losses"] = {"loss": 0.0}
    path.write_text(json.dumps(histories))
    assert len(losses.PICTURE.draw(compared).figure.axes) == 6


def test_loss_terms(compared):
    axes = losses.PICTURE.draw(compared).figure.axes
    assert len(axes) == 8
    assert lines(axes[0]) == {"loss": near([(1, 1.0), (2, 0.5)])}
    assert lines(axes[6]) == {"base": near([(1, 1.0), (2, 0.5)]), "rce": near([(1, 30.0), (2, 20.0)])}
    assert lines(axes[7])["model"] == near([(1, 0.1), (2, 0.3)])
    assert (axes[0].get_yscale(), axes[6].get_yscale()) == ("linear", "log")
    assert (axes[6].get_xlabel(), axes[6].get_ylabel()) == ("epoch", "mean loss of a batch")
    assert axes[7].get_ylabel() == "validation ndcg@20"


def test_teachers_that_learn_along(compared):
    path = compared.rows[0].histories[8]
    compared.rows = compared.rows[:1]
    del compared.rows[0].stages[7], compared.rows[0].histories[7]
    history = json.loads(path.read_text())
    for entry in history["BPR"]:
        entry["teachers_valid"] = {"id": {"ndcg@20": 0.125}}
    path.write_text(json.dumps(history))
    drawn = losses.PICTURE.draw(compared)
    assert lines(drawn.figure.axes[1])["teacher id"] == near([(1, 0.125), (2, 0.125)])
    assert drawn.about.startswith("Seed 8.")
    assert list(lines(metrics.PICTURE.draw(compared).figure.axes[3])) == ["BPR"]


@pytest.mark.parametrize("picture", [losses.PICTURE, metrics.PICTURE])
def test_one_without_epochs_is_left_out_and_none_is_no_picture(compared, picture):
    compared.rows[1].histories[7].unlink()
    about = picture.draw(compared).about
    assert f"{PAIR} teacher is left out: {compared.rows[1].histories[7]} is missing or damaged" in about
    compared.rows = compared.rows[1:]
    with pytest.raises(UserError, match="is missing or damaged"):
        picture.draw(compared)
    for row in compared.rows:
        row.histories = {}
    with pytest.raises(UserError, match=r"was (trained|validated)"):
        picture.draw(compared)


def test_overlap_by_epoch_needs_no_checkpoint(compared):
    drawn = overlap.PICTURE.draw(compared)
    (axis,) = drawn.figure.axes
    assert lines(axis) == {
        f"{PAIR}: overlap": near([(1, 0.2), (2, 0.6)]),
        f"{PAIR}: closure": near([(1, 0.1), (2, 0.3)]),
    }
    assert axis.get_xlabel() == "epoch"
    assert "There is no overlap of the end: there is no checkpoint at" in drawn.about
