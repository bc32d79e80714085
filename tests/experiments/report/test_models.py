"""Numbers that are computed from checkpoints, against the evaluation's own and against the plain definition."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_kd.data.interactions import positives_of
from recbole_kd.evaluation.per_user import per_user_metrics
from recbole_kd.experiments.report import agreement as pairs
from recbole_kd.experiments.report.compared import Compared
from recbole_kd.experiments.report.numbers import Kept
from recbole_kd.experiments.report.pictures import groups, modalities, tsne
from recbole_kd.experiments.results.row import Row
from recbole_kd.foundation.errors import UserError
from recbole_kd.serving.rankings import held_out, ranking
from recbole_kd.serving.trained_model import open_trained
from tests.experiments.compare.conftest import OF_PAIR, PAIR, compare

OUT = Path("compare/board")


@pytest.fixture
def board(quick) -> Compared:
    assert compare(f"--models=EASE,MTS4MM,{PAIR}", *OF_PAIR) == 0
    rows = []
    for run in map(json.loads, (OUT / "runs.jsonl").read_text().splitlines()):
        for stage in run["rows"]:
            rows.append(Row(stage["label"], stage["role"], {2020: stage}, {}, run["label"]))
    return Compared(rows, "ndcg@3", Kept(OUT / "pictures" / "numbers"))


def test_a_ranking_that_masks_training_items_alone(quick):
    assert compare("--models=BPR", "--eval_mask=train") == 0
    (stage,) = json.loads((OUT / "runs.jsonl").read_text())["rows"]
    trained = open_trained(stage["checkpoint"], {"show_progress": False})
    found = per_user_metrics(ranking(trained, trained.scores, "test", 5).hits, 5)
    assert {name: float(values.mean()) for name, values in found.items()} == {
        name: pytest.approx(stage["test"][name], abs=6e-5) for name in found
    }
    trained.config["eval_mask"] = "recbole"
    masked = per_user_metrics(ranking(trained, trained.scores, "test", 5).hits, 5)
    assert masked["ndcg@5"].mean() > found["ndcg@5"].mean()


def test_numbers_of_models(board, monkeypatch):
    """One test, as the training takes longest."""
    rows = {row.label: row for row in board.rows}
    assert list(rows) == ["EASE", "MTS4MM alone", "MTS4MM", f"{PAIR} teacher", f"{PAIR} alone", PAIR]
    every_test_metric(board)
    groups_add_up(board)
    views(board, rows["MTS4MM"])
    agreement_by_definition(board)
    maps(board)
    kept(board, monkeypatch)


def every_test_metric(board):
    for row in board.rows:
        trained = board.trained(row)
        recorded = row.stages[2020]
        for part in ("valid", "test"):
            found = per_user_metrics(ranking(trained, trained.scores, part, 5).hits, 5)
            for name, values in found.items():
                assert float(values.mean()) == pytest.approx(recorded[part][name], abs=6e-5)  # 4 places are printed
        lists = ranking(trained, trained.scores, "test", 5)
        seen = positives_of(trained.train)
        for user, items in zip(lists.users, lists.items, strict=True):
            assert not set(items.tolist()) & {0, *seen.rows(user[None])[1].tolist()}
        long = ranking(trained, trained.scores, "test", 10**6)
        assert long.items.shape == (40, 24)
        assert long.hits[:, :-1].sum(dim=1).tolist() == [3] * 40


def groups_add_up(board):
    for row in board.rows:
        found = groups.by_group(board, row)
        mean = np.average(found["user"], weights=found["user_sizes"])
        assert mean == pytest.approx(row.stages[2020]["test"]["ndcg@3"], abs=6e-5)
        recall = np.average(found["item"], weights=found["item_sizes"])  # each user has as many test items
        assert recall == pytest.approx(row.stages[2020]["test"]["recall@3"], abs=6e-5)
        assert found["item_sizes"].sum() == 120
        assert found["user_sizes"].tolist() == [40]
        assert found["user_labels"].tolist() == ["7"]
    drawn = groups.PICTURE.draw(board)
    users, items = drawn.figure.axes
    assert (users.get_ylabel(), items.get_ylabel()) == ("test ndcg@3", "test recall@3 of the items")
    assert users.get_xlabel() == "training interactions of the user (n: test users)"
    assert [label.get_text() for label in users.get_xticklabels()] == ["7\nn = 40"]
    line = next(line for line in items.get_lines() if line.get_label() == PAIR)
    assert line.get_ydata() == pytest.approx(found["item"])


def views(board, row):
    found = modalities.contributions(board, row)
    assert found["views"].tolist() == ["id", "board", "noise"]
    assert found["all views"] == pytest.approx(row.stages[2020]["test"]["ndcg@3"], abs=6e-5)
    trained = board.trained(row)
    model = trained.scores.model
    model.used = ("board",)
    alone = per_user_metrics(ranking(trained, trained.scores, "test", 3).hits, 3)["ndcg@3"].mean()
    model.used = ("id", "noise")
    without = per_user_metrics(ranking(trained, trained.scores, "test", 3).hits, 3)["ndcg@3"].mean()
    model.used = model.trained_views
    assert (found["this view alone"][1], found["all but this view"][1]) == pytest.approx((float(alone), float(without)))
    axes = modalities.PICTURE.draw(board).figure.axes
    assert [axis.get_title().partition(":")[0] for axis in axes] == ["MTS4MM alone", "MTS4MM"]
    assert [bar.get_height() for bar in axes[1].containers[0]] == pytest.approx(found["this view alone"])
    assert axes[1].get_ylabel() == "test ndcg@3"
    with pytest.raises(UserError, match="needs a model whose views can rank alone"):
        modalities.PICTURE.draw(Compared([board.rows[0]], "ndcg@3", board.kept))


def agreement_by_definition(board):
    ((name, pair),) = pairs.pair_names(board).items()
    assert name == PAIR
    found = pairs.agreement(board, pair, alone=False)
    teacher, student = board.trained(pair.teacher), board.trained(pair.student)
    seen = positives_of(teacher.train)
    ranks, shared = torch.zeros(17), []
    for user in range(1, 41):
        theirs, mine = (
            [
                item
                for item in scorer.score_all(torch.tensor([user]))[0].argsort(descending=True).tolist()
                if item and item not in seen.rows(torch.tensor([user]))[1].tolist()
            ]
            for scorer in (teacher.scores, student.scores)
        )
        ranks += torch.tensor([1.0 + mine.index(item) for item in theirs])
        shared.append(len(set(theirs[:10]) & set(mine[:10])) / 10)
    assert found["rank"] == pytest.approx((ranks / 40).numpy())
    assert found["overlap"][0] == pytest.approx(np.mean(shared))
    assert int(found["users"]) == 40


def maps(board):
    drawn = tsne.PICTURE.draw(board)
    titles = [axis.get_title() for axis in drawn.figure.axes if axis.get_title()]
    assert titles[:5] == ["board features", "noise features", f"{PAIR} teacher", f"{PAIR} alone", PAIR]
    assert titles[5:] == ["MTS4MM alone", "MTS4MM"]
    assert "EASE is left out: EASE has no embeddings" in drawn.about
    assert sum(len(points.get_offsets()) for points in drawn.figure.axes[0].collections) == 24
    assert "Seed 2020, 24 items." in drawn.about


def kept(board, monkeypatch):
    """The same again opens no model; a data set that has moved is a sentence for what is new."""
    Path("dataset").rename("moved")
    again = Compared(board.rows, "ndcg@3", board.kept)
    with monkeypatch.context() as patch:
        patch.setattr("recbole_kd.experiments.report.compared.open_quietly", None)
        for picture in (groups.PICTURE, modalities.PICTURE):
            picture.draw(again)
    fresh = Compared(board.rows, "ndcg@3", Kept(Path("nothing")))
    with pytest.raises(UserError, match=r"and there is no folder .*dataset/board; give the folder"):
        groups.PICTURE.draw(fresh)
    groups.PICTURE.draw(Compared(board.rows, "ndcg@3", Kept(Path("nothing")), data_path="moved"))


def test_a_map_of_equal_and_of_few_items():
    assert np.isnan(tsne.project(np.ones((9, 3)))).all()
    assert tsne.project(np.arange(9.0)[:, None]).shape == (9, 2)
    with pytest.raises(UserError, match="at least 4 items"):
        tsne.project(np.eye(3))
    assert len(tsne.sample(5000)) == len(set(tsne.sample(5000))) == tsne.MOST_ITEMS
    assert tsne.sample(4).tolist() == [1, 2, 3]


def test_no_test_part(board):
    trained = board.trained(board.rows[0])
    object.__setattr__(trained, "held_out", ())
    with pytest.raises(UserError, match="the split of board has no test part"):
        held_out(trained, "test")
