"""Lists from a checkpoint: that they are the best items, whose, of what, and what is refused."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from recbole.trainer import Trainer

from recbole_kd.checkpoint import load_checkpoint, save_state
from recbole_kd.cli import main
from recbole_kd.errors import UserError
from recbole_kd.pipeline import keep_scores, run
from recbole_kd.recommend import Recommender, recommend
from recbole_kd.scorer import Scorer
from recbole_kd.trained import open_trained
from tests.model.contract import build
from tests.processes import ROOT, python

QUIET = {"show_progress": False, "state": "error", "topk": [3], "metrics": ["NDCG"], "valid_metric": "NDCG@3"}
EVERYONE = [f"u{user}" for user in range(40)]


def train(model: str, dataset: str = "board", **values) -> str:
    return run(model, dataset, config_dict={**QUIET, "epochs": 2, **values}).stages[-1].checkpoint


@pytest.fixture
def bpr(checkerboard, capsys) -> str:
    path = train("BPR")
    capsys.readouterr()
    return path


def said(capsys, *words: str) -> str:
    """What the command prints on stdout."""
    assert main(["recommend", *words]) == 0
    return capsys.readouterr().out


def refused(capsys, *words: str) -> str:
    assert main(["recommend", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.strip().splitlines()
    assert line.startswith("recbole-kd: ")
    return line


def training_items(user: str) -> set[str]:
    rows = Path("dataset/board/board.train.inter").read_text().splitlines()[1:]
    return {item for name, item in (row.split("\t") for row in rows) if name == user}


def brute_force(checkpoint: str, user: str, k: int, left_out: set[str]) -> list[tuple[str, float]]:
    """All items scored by a model that is made and loaded apart, sorted in Python."""
    state = load_checkpoint(checkpoint)
    made = build(state["config"]["model"], "board")
    made.model.load_state_dict(state["state_dict"])
    made.model.load_other_parameter(state["other_parameter"])
    train = made.loaders.train._dataset
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
        monkeypatch.setattr("recbole_kd.recommend._SCORES_AT_ONCE", 25 * 7)
        recommender = Recommender(open_trained(bpr), 5)
        together = list(recommender.lists(recommender.find(None)[0]))
        assert sorted(found.user for found in together) == sorted(EVERYONE)
        for found in together:
            assert list(recommender.lists(recommender.find([found.user])[0])) == [found]

    def test_no_more_than_a_block_is_scored_at_once(self, bpr, monkeypatch):
        monkeypatch.setattr("recbole_kd.recommend._SCORES_AT_ONCE", 25 * 7)
        sizes = []
        score_all = Scorer.score_all
        monkeypatch.setattr(Scorer, "score_all", lambda self, users: sizes.append(len(users)) or score_all(self, users))
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


def join_parts() -> None:
    """Join the parts of the checkerboard into one file, which RecBole splits by its seed."""
    parts = [Path(f"dataset/board/board.{part}.inter").read_text().splitlines() for part in ("train", "valid", "test")]
    rows = [parts[0][0], *(row for part in parts for row in part[1:])]
    Path("dataset/board/board.inter").write_text("\n".join(rows) + "\n")


class TestFormats:
    def test_json(self, bpr, capsys):
        lines = said(capsys, f"--checkpoint={bpr}", "--users=u3,u1", "--topk=4").splitlines()
        for line, found in zip(lines, recommend(bpr, ["u3", "u1"], topk=4), strict=True):
            assert json.loads(line) == {
                "user": found.user,
                "items": [
                    {"rank": rank, "item": item, "score": score} for rank, (item, score) in enumerate(found.items, 1)
                ],
            }

    def test_csv(self, bpr, capsys):
        Path("users.txt").write_text("u3\r\nu1\n\n")
        printed = said(capsys, f"--checkpoint={bpr}", "--users=@users.txt", "--topk=4", "--format=csv")
        rows = list(csv.reader(printed.splitlines()))
        assert rows[0] == ["user", "rank", "item", "score"]
        expected = [
            (found.user, rank, *listed)
            for found in recommend(bpr, ["u3", "u1"], topk=4)
            for rank, listed in enumerate(found.items, 1)
        ]
        assert [(user, int(rank), item, float(score)) for user, rank, item, score in rows[1:]] == expected

    def test_table(self, bpr, capsys):
        printed = said(capsys, f"--checkpoint={bpr}", "--users=u3,u1", "--topk=4", "--format=table")
        tables = [table.splitlines() for table in printed.split("\n\n")]
        for lines, found in zip(tables, recommend(bpr, ["u3", "u1"], topk=4), strict=True):
            assert lines[0] == f"user {found.user}"
            assert lines[1].split() == ["rank", "item", "score"]
            rows = [line.split() for line in lines[3:]]
            assert [(int(rank), item) for rank, item, _ in rows] == list(
                enumerate((item for item, _ in found.items), 1)
            )
            assert [float(row[2]) for row in rows] == pytest.approx([score for _, score in found.items], rel=1e-3)

    def test_a_terminal_gets_a_table_of_few(self, bpr, capsys, monkeypatch):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        assert said(capsys, f"--checkpoint={bpr}", "--users=u1").startswith("user u1\n")
        many = said(capsys, f"--checkpoint={bpr}", f"--users={','.join(EVERYONE)}")
        assert len([json.loads(line) for line in many.splitlines()]) == 40
        assert "--output=FILE" in refused(capsys, f"--checkpoint={bpr}", "--users=all")

    def test_what_was_used_is_on_stderr(self, bpr, capsys):
        assert main(["recommend", f"--checkpoint={bpr}", "--users=u1"]) == 0
        folder = Path("dataset/board").resolve()
        assert capsys.readouterr().err == f"BPR of {bpr}, data set in {folder}\n"


class TestBesideATeacher:
    @pytest.fixture(params=["LightGCN", "MultiVAE"])
    def teacher(self, bpr, capsys, request) -> str:
        keep_scores(request.param, "board", config_dict={**QUIET, "epochs": 1, "cache_dir": "taught", "cache_topk": 5})
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
        keep_scores("BPR", "board", config_dict={**QUIET, "cache_dir": "other", "benchmark_filename": None})
        capsys.readouterr()
        words = [f"--checkpoint={bpr}", "--users=u1"]
        assert "other training interactions" in refused(capsys, *words, "--cache_dir=other")
        assert "nowhere" in refused(capsys, *words, "--cache_dir=nowhere")


class TestOutput:
    @pytest.mark.parametrize("style", ["json", "csv"])
    def test_all_users(self, bpr, capsys, style):
        words = [f"--checkpoint={bpr}", "--users=all", f"--format={style}"]
        printed = said(capsys, *words)
        assert main(["recommend", *words, "--output=out/lists"]) == 0
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "40/40" in captured.err  # the progress bar
        assert Path("out/lists").read_text() == printed
        assert main(["recommend", *words, "--output=out/lists", "--show_progress=false"]) == 0
        assert "40/40" not in capsys.readouterr().err

    def test_a_failure_leaves_what_was_there(self, bpr, capsys, monkeypatch):
        state = load_checkpoint(bpr)
        state["state_dict"]["user_embedding.weight"][-1] = float("nan")
        save_state("nan.pth", state)
        monkeypatch.setattr("recbole_kd.recommend._SCORES_AT_ONCE", 25)
        Path("out").mkdir()
        Path("out/lists").write_text("before")
        assert main(["recommend", "--checkpoint=nan.pth", "--users=all", "--output=out/lists"]) == 2
        assert "hold NaN" in capsys.readouterr().err
        assert [(path.name, path.read_text()) for path in Path("out").iterdir()] == [("lists", "before")]

    def test_a_kill_leaves_what_was_there(self, bpr):
        code = (
            "import sys, time; from recbole_kd import recommend; from recbole_kd.cli import main\n"
            "recommend._SCORES_AT_ONCE = 25; best = recommend.Recommender._best\n"
            "def slow(*args):\n    print('block', file=sys.stderr, flush=True); time.sleep(0.2); return best(*args)\n"
            "recommend.Recommender._best = slow\n"
            f"main(['recommend', '--checkpoint={bpr}', '--users=all', '--output=lists', '--show_progress=false'])"
        )
        command = [sys.executable, "-W", "ignore", "-c", code]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())
        seen = 0
        while seen < 3:
            seen += process.stderr.readline() == "block\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        assert not Path("lists").exists()

    def test_a_folder_is_no_file(self, bpr, capsys):
        Path("folder").mkdir()
        assert main(["recommend", f"--checkpoint={bpr}", "--users=u1", "--output=folder"]) == 2
        assert "recbole-kd: cannot write folder" in capsys.readouterr().err


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--users=u1,u41,zz"], "there is no user 'u41' in the data set in /"),
            (["--users=u41"], "did you mean u4"),
            (["--users=[PAD]"], "there is no user '[PAD]'"),
            (["--users=u1", "--topk=25"], "topk=25 must be from 1 to the 24 items of board"),
            (["--users=u1", "--topk=0"], "topk=0 is not valid"),
            (["--users=u1", "--format=xml"], "format='xml' is not valid"),
            (["--users=u1", "--model=LightGCN"], "was trained with model=BPR, not LightGCN"),
            (["--users=u1", "--dataset=bord"], "was trained with dataset=board, not bord"),
            (["--users=u1", "--data_path=elsewhere"], "there is no folder elsewhere/board; give"),
            (["--users=u1", "--embedding_size=8"], "user_embedding.weight is 41 × 64, here 41 × 8"),
            (["--users=u1", "--embeding_size=8"], "did you mean embedding_size"),
            (["--users=u1", "seed=3"], "write it as --key=value"),
            (["--users=@none.txt"], "cannot read the users in none.txt"),
            (["--users=,"], "names no user"),
            ([], "no users is given; add --users=TOKENS"),
        ],
    )
    def test_one_sentence(self, bpr, capsys, words, says):
        assert says in refused(capsys, f"--checkpoint={bpr}", *words)

    def test_checkpoints(self, bpr, capsys):
        assert "add --checkpoint=PATH" in refused(capsys, "--users=u1")
        assert "there is no checkpoint" in refused(capsys, "--users=u1", "--checkpoint=none.pth")
        whole = Path(bpr).read_bytes()
        for name, content in {"half": whole[: len(whole) // 2], "empty": b"", "text": b"weights"}.items():
            Path(name).write_bytes(content)
            assert name in refused(capsys, "--users=u1", f"--checkpoint={name}")
        torch.save({"state_dict": {}}, "none.pth")
        assert "holds no weights" in refused(capsys, "--users=u1", "--checkpoint=none.pth")

    def test_skip_unknown(self, bpr, capsys):
        words = [f"--checkpoint={bpr}", "--skip_unknown=true"]
        assert main(["recommend", *words, "--users=zz,u1,yy"]) == 0
        captured = capsys.readouterr()
        assert [json.loads(line)["user"] for line in captured.out.splitlines()] == ["u1"]
        assert "recbole-kd: warning: skipped 2 unknown users, the first is 'zz'" in captured.err
        assert said(capsys, *words, "--users=zz") == ""

    @pytest.mark.parametrize("model", ["BPR", "EASE"])
    @pytest.mark.parametrize(
        ("part", "row", "what"),
        [
            ("test", "u1\ti99", "other items"),
            ("test", "more\ti1", "other users"),
            ("train", "u1\ti2", "other training interactions"),
        ],
    )
    def test_a_data_set_that_changed(self, checkerboard, capsys, model, part, row, what):
        path = train(model)
        capsys.readouterr()
        with Path(f"dataset/board/board.{part}.inter").open("a") as stream:
            stream.write(row + "\n")
        line = refused(capsys, f"--checkpoint={path}", "--users=u1")
        assert f"was trained on {what} than the data set in dataset/board gives" in line

    def test_the_same_items_in_another_order(self, bpr, capsys):
        file = Path("dataset/board/board.train.inter")
        header, *rows = file.read_text().splitlines()
        file.write_text("\n".join([header, *reversed(rows)]) + "\n")
        assert "was trained on other" in refused(capsys, f"--checkpoint={bpr}", "--users=u1")

    def test_a_data_set_that_moved_or_lost_its_files(self, bpr, capsys):
        before = said(capsys, f"--checkpoint={bpr}", "--users=u1")
        Path("dataset").rename("moved")
        line = refused(capsys, f"--checkpoint={bpr}", "--users=u1")
        assert "trained on the data set 'board', and there is no folder dataset/board" in line
        assert said(capsys, f"--checkpoint={bpr}", "--users=u1", "--data_path=moved") == before
        Path("moved/board/board.test.inter").unlink()
        assert "RecBole cannot read" in refused(capsys, f"--checkpoint={bpr}", "--users=u1", "--data_path=moved")


class TestStockCheckpoints:
    def saved(self, model: str) -> str:
        made = build(model, "board", checkpoint_dir="stock")
        trainer = Trainer(made.config, made.model)
        trainer.best_valid_score = np.float32(0.5)
        trainer._save_checkpoint(3, verbose=False)
        return trainer.saved_model_file

    @pytest.mark.parametrize("model", ["BPR", "NeuMF", "EASE", "MultiVAE"])
    def test_needs_nothing_else(self, checkerboard, capsys, model):
        path = self.saved(model)
        assert main(["recommend", f"--checkpoint={path}", "--users=u1", "--topk=3"]) == 0
        captured = capsys.readouterr()
        assert "it does not name its data, so only sizes were compared" in captured.err
        assert len(json.loads(captured.out)["items"]) == 3
        assert said(capsys, f"--checkpoint={path}", "--users=u1", "--topk=3", f"--model={model}", "--dataset=board")

    def test_other_sizes(self, checkerboard, capsys):
        path = self.saved("BPR")
        with Path("dataset/board/board.test.inter").open("a") as stream:
            stream.write("u1\ti99\n")
        assert "item_embedding.weight is 25 × 64, here 26 × 64" in refused(capsys, f"--checkpoint={path}", "--users=u1")

    def test_our_matrices_of_other_sizes(self, checkerboard, capsys):
        state = load_checkpoint(train("EASE"))
        del state["data"]
        similarity = torch.tensor(np.asarray(state["other_parameter"].pop("item_similarity")))
        del state["other_parameter"]["interaction_matrix"]
        state["other_parameter"]["item_similarity"] = {"kind": "numpy array", "parts": similarity, "matrix": False}
        save_state("ease.pth", state)
        capsys.readouterr()
        with Path("dataset/board/board.test.inter").open("a") as stream:
            stream.write("u1\ti99\n")
        assert "do not fit EASE" in refused(capsys, "--checkpoint=ease.pth", "--users=u1")

    def test_without_names(self, bpr, capsys):
        state = load_checkpoint(bpr)
        expected = said(capsys, f"--checkpoint={bpr}", "--users=u1")
        save_state("bare.pth", {"state_dict": state["state_dict"]})
        assert "add --model=NAME" in refused(capsys, "--checkpoint=bare.pth", "--users=u1")
        words = ["--checkpoint=bare.pth", "--users=u1", "--model=BPR"]
        assert "add --dataset=NAME" in refused(capsys, *words)
        assert said(capsys, *words, "--dataset=board") == expected


class TestProcess:
    def test_stdout_holds_only_the_result(self, bpr):
        done = python("-m", "recbole_kd", "recommend", f"--checkpoint={bpr}", "--users=all", "--topk=2")
        assert done.returncode == 0, done.stderr
        assert len([json.loads(line) for line in done.stdout.splitlines()]) == 40
        assert "40/40" in done.stderr

    def test_help(self, capsys):
        assert main(["recommend", "--help"]) == 0
        assert "--checkpoint=PATH" in capsys.readouterr().out
