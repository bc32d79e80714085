"""Lists from a checkpoint: that they are the best items, of the right users and data, beside a teacher's or alone."""

import csv
import json
from pathlib import Path

import pytest
import torch
from recbole.data.interaction import Interaction

from recbole_kd.bridge.checkpoint import load_checkpoint, save_state
from recbole_kd.experiments.run import teach
from recbole_kd.foundation.errors import UserError
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.serving.recommend import Recommender, recommend
from recbole_kd.serving.trained_model import open_trained
from tests.models.contract import build
from tests.trained_once import QUIET, join_parts, refused, said, train, training_items

EVERYONE = [f"u{user}" for user in range(40)]


def brute_force(checkpoint: str, user: str, k: int, left_out: set[str]) -> list[tuple[str, float]]:
    """All items scored by a model that is made and loaded apart, sorted in Python."""
    state = load_checkpoint(checkpoint)
    made = build(state["config"]["model"], "board")
    made.model.load_state_dict(state["state_dict"])
    made.model.load_other_parameter(state["other_parameter"])
    train = made.loaders.train_part
    users = torch.tensor([train.token2id("user_id", user)])
    with torch.no_grad():
        made.model.eval()
        try:
            scores = made.model.full_sort_predict(Interaction({"user_id": users})).flatten().tolist()
        except NotImplementedError:
            items = torch.arange(train.item_num)
            scores = made.model.predict(Interaction({"user_id": users.expand(len(items)), "item_id": items})).tolist()
    tokens = train.field2id_token["item_id"]
    order = sorted(range(1, len(tokens)), key=lambda item: (-scores[item], item))
    return [(tokens[item], scores[item]) for item in order if tokens[item] not in left_out][:k]


class TestLists:
    @pytest.mark.parametrize("model", ["BPR", "LightGCN", "NeuMF", "MultiVAE", "EASE", "ItemKNN", "Pop", "VBPR"])
    def test_brute_force(self, checkerboard, model):
        path = train(model)
        for found in recommend(path, ["u7", "u0"], topk=9):
            expected = brute_force(path, found.user, 9, training_items(found.user))
            assert [item for item, _ in found.items] == [item for item, _ in expected]
            assert [score for _, score in found.items] == pytest.approx([score for _, score in expected], rel=1e-4)
            assert (found.teacher, found.overlap) == (None, None)

    def test_a_distilled_student(self, checkerboard):
        path = train("RCEKD", student="BPR", teacher="LightGCN", kd_topk=4, student_embedding_size=64)
        (found,) = recommend(path, ["u3"], topk=4)
        assert [item for item, _ in found.items] == [
            item for item, _ in brute_force(path, "u3", 4, training_items("u3"))
        ]

    def test_items_without_training_interactions_are_left_out(self, checkerboard):
        path = train("BPR", split="cold_items=0.25")
        trained = open_trained(path)
        tokens = trained.train.field2id_token["item_id"]
        never = {str(tokens[item]) for item in trained.train.held_out.nonzero().flatten().tolist()}
        listed = {item for found in recommend(path, EVERYONE, topk=12) for item, _ in found.items}
        assert not listed & never
        assert Recommender(trained, 5).left_out.startswith("6 items without a training interaction are left out, of")
        asked = {item for found in recommend(path, EVERYONE, topk=12, untrained=True) for item, _ in found.items}
        assert asked & never
        assert Recommender(trained, 5, untrained=True).left_out == ""

    def test_a_model_of_features_ranks_them(self, checkerboard):
        trained = open_trained(train("VBPR", split="cold_items=0.25"))
        assert Recommender(trained, 5).left_out == ""

    def test_seen(self, bpr):
        (without,) = recommend(bpr, ["u5"], topk=24)
        assert len(without.items) == 17
        assert not {item for item, _ in without.items} & training_items("u5")
        (whole,) = recommend(bpr, ["u5"], topk=24, seen=True)
        assert [item for item, _ in whole.items] == [item for item, _ in brute_force(bpr, "u5", 24, set())]

    def test_equal_scores_go_by_the_lower_id(self, bpr):
        state = load_checkpoint(bpr)
        state["state_dict"] = {name: torch.zeros_like(value) for name, value in state["state_dict"].items()}
        save_state("flat.pth", state)
        tokens = open_trained("flat.pth").train.field2id_token["item_id"][1:]
        (found,) = recommend("flat.pth", ["u1"], topk=24, seen=True)
        assert [tuple(listed) for listed in found.items] == [(token, 0.0) for token in tokens]

    def test_all_are_the_same_as_one_by_one(self, bpr, monkeypatch):
        monkeypatch.setattr("recbole_kd.ops.blocks.SCORES_AT_ONCE", 25 * 7)
        recommender = Recommender(open_trained(bpr), 5)
        together = list(recommender.lists(recommender.find(None)[0]))
        assert sorted(found.user for found in together) == sorted(EVERYONE)
        for found in together:
            assert list(recommender.lists(recommender.find([found.user])[0])) == [found]

    def test_no_more_than_a_block_is_scored_at_once(self, bpr, monkeypatch):
        monkeypatch.setattr("recbole_kd.ops.blocks.SCORES_AT_ONCE", 25 * 7)
        sizes = []
        score_all = ModelScores.score_all
        monkeypatch.setattr(
            ModelScores, "score_all", lambda self, users: sizes.append(len(users)) or score_all(self, users)
        )
        lists = recommend(bpr)
        del sizes[:]
        next(lists)
        assert sizes == [7]
        assert len(list(lists)) == 39
        assert max(sizes) == 7

    def test_a_user_without_training_interactions(self, checkerboard):
        with Path("dataset/board/board.test.inter").open("a") as stream:
            stream.write("new\ti4\n")
        (found,) = recommend(train("LightGCN"), ["new"], topk=24)
        assert len(found.items) == 24

    def test_the_split_is_drawn_again_as_in_training(self, checkerboard):
        join_parts()
        path = train("BPR", benchmark_filename=None)
        (found,) = recommend(path, ["u2"], topk=24)
        trained = open_trained(path)
        assert trained.verified
        rows = trained.train.inter_feat
        user = trained.train.token2id("user_id", "u2")
        seen = {trained.train.id2token("item_id", int(item)) for item in rows["item_id"][rows["user_id"] == user]}
        assert 0 < len(seen) < 12
        assert {item for item, _ in found.items} == {f"i{item}" for item in range(24)} - seen

    def test_a_diverged_model(self, bpr):
        state = load_checkpoint(bpr)
        state["state_dict"]["user_embedding.weight"][3] = float("nan")
        save_state("nan.pth", state)
        with pytest.raises(UserError, match="hold NaN or infinity"):
            list(recommend("nan.pth"))


class TestBesideATeacher:
    @pytest.fixture(params=["LightGCN", "MultiVAE"])
    def teacher(self, bpr, capsys, request) -> str:
        teach(request.param, "board", config_dict={**QUIET, "epochs": 1, "cache_dir": "taught", "cache_topk": 5})
        capsys.readouterr()
        (path,) = Path("saved").glob(f"board-{request.param}-*.pth")
        return str(path)

    def test_both_lists(self, bpr, teacher):
        for found in recommend(bpr, ["u2", "u9"], topk=8, cache_dir="taught"):
            (mine,) = recommend(bpr, [found.user], topk=8)
            (theirs,) = recommend(teacher, [found.user], topk=8)
            assert found.items == mine.items
            assert found.overlap == len({item for item, _ in mine.items} & {item for item, _ in theirs.items})
            scores = [score for _, score in found.teacher]
            assert scores == pytest.approx([score for _, score in theirs.items], rel=2e-3)
            assert scores == sorted(scores, reverse=True)
            assert not {item for item, _ in found.teacher} & training_items(found.user)

    def test_formats(self, bpr, teacher, capsys):
        words = [f"--checkpoint={bpr}", "--users=u2", "--topk=3", "--cache_dir=taught"]
        (found,) = recommend(bpr, ["u2"], topk=3, cache_dir="taught")
        values = json.loads(said(capsys, *words))
        assert [(entry["item"], entry["score"]) for entry in values["teacher"]] == list(found.teacher)
        assert [entry["rank"] for entry in values["teacher"]] == [1, 2, 3]
        assert values["overlap"] == found.overlap
        header, *rows = csv.reader(said(capsys, *words, "--format=csv").splitlines())
        assert header == ["user", "rank", "item", "score", "teacher_item", "teacher_score"]
        assert [(row[4], float(row[5])) for row in rows] == list(found.teacher)
        lines = said(capsys, *words, "--format=table").splitlines()
        assert lines[0] == f"user u2: {found.overlap} of 3 items in both lists"
        assert [line.split()[3] for line in lines[3:]] == [item for item, _ in found.teacher]

    def test_a_cache_of_other_data(self, bpr, capsys):
        join_parts()
        teach("BPR", "board", config_dict={**QUIET, "cache_dir": "other", "benchmark_filename": None})
        capsys.readouterr()
        words = [f"--checkpoint={bpr}", "--users=u1"]
        assert "other training interactions" in refused(capsys, *words, "--cache_dir=other")
        assert "nowhere" in refused(capsys, *words, "--cache_dir=nowhere")
