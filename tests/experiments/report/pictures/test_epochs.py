"""Pictures by epoch: validation metrics, loss terms, and overlap while a student learns."""

import json

import pytest

from recbole_kd.experiments.report.pictures import losses, metrics, more_metrics, overlap
from recbole_kd.foundation.errors import UserError
from tests.experiments.report.conftest import PAIR, lines


def near(points: list[tuple[float, float]]):
    return [pytest.approx(point) for point in points]


def test_three_metrics_of_all_models_and_the_others_on_demand(compared):
    drawn, others = metrics.PICTURE.draw(compared), more_metrics.PICTURE.draw(compared)
    axes = drawn.figure.axes
    names = ["validation ndcg@20", "validation recall@20", "validation ndcg@10"]
    assert [axis.get_ylabel() for axis in axes] == names
    assert [axis.get_ylabel() for axis in others.figure.axes] == ["validation recall@10"]
    assert [axis.get_xlabel() for axis in axes] == ["epoch", "epoch", "epoch"]
    assert (metrics.PICTURE.folded, more_metrics.PICTURE.folded) == (False, True)
    found = lines(axes[0])
    assert list(found) == ["BPR", f"{PAIR} teacher", f"{PAIR} alone", PAIR]
    assert found["BPR"] == near([(1, 0.2), (2, 0.3)])  # the third epoch is one seed's alone
    assert found[PAIR] == near([(1, 0.1), (2, 0.3)])
    assert lines(axes[1])["BPR"] == near([(1, 0.1), (2, 0.15)])
    assert drawn.about.strip() == "Mean over seeds 7 to 8; a line ends where the first of them stopped."
    assert others.about == drawn.about


@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_no_metric_is_lost(compared, count):
    names = [
        f"{metric}@20"
        for metric in ("ndcg", "recall", "precision", "hit", "mrr", "map", "itemcoverage", "gini")[:count]
    ]
    for name in ("one", "two", "pair"):
        path = compared.rows[0].histories[7].with_name(f"{name}.json")
        histories = json.loads(path.read_text())
        for entry in (entry for history in histories.values() for entry in history):
            entry["valid"] = dict.fromkeys(names, 0.5)
        path.write_text(json.dumps(histories))
    axes = metrics.PICTURE.draw(compared).figure.axes
    assert len(axes) == min(count, 3)
    if count > 3:
        axes += more_metrics.PICTURE.draw(compared).figure.axes
        assert all(axis.get_xlabel() == "epoch" for axis in axes[-min(3, count - 3) :] if axis.axison)
    else:
        with pytest.raises(UserError, match="there are no more metrics than those above"):
            more_metrics.PICTURE.draw(compared)
    assert [axis.get_ylabel() for axis in axes if axis.axison] == [f"validation {name}" for name in names]


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
    assert list(lines(metrics.PICTURE.draw(compared).figure.axes[0])) == ["BPR"]


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
