"""The whole way: teach once, distil from the folder, refuse what does not fit."""

import json
from pathlib import Path

import pytest
import torch
from recbole.trainer import Trainer

from recbole_kd.bridge.checkpoint import load_checkpoint, save_state
from recbole_kd.cli import main
from recbole_kd.experiments.run import run, teach
from recbole_kd.foundation.errors import UserError
from recbole_kd.scoring.cache import TeacherCache
from tests.distillers.contract import QUIET
from tests.models.contract import build
from tests.processes import python

VALUES = {**QUIET, "epochs": 2, "embedding_size": 8}
STUDENT = {**QUIET, "epochs": 2, "kd_topk": 4, "student_embedding_size": 4}


@pytest.fixture
def taught(checkerboard):
    teach("LightGCN", checkerboard, config_dict={**VALUES, "cache_dir": "taught"})
    return checkerboard


def test_a_run_takes_its_teacher_from_the_folder(taught):
    result = run("RCEKD", taught, config_dict={**STUDENT, "cache_dir": "taught", "student": "BPR"})
    teacher, student = result.stages
    assert (teacher.model, student.model) == ("LightGCN", "BPR")
    assert teacher.test == TeacherCache.open("taught").record["test"]
    assert student.history[0]["losses"]["rce"] > 0


def test_a_run_leaves_a_folder_that_another_run_takes(checkerboard):
    values = {**STUDENT, "teacher_embedding_size": 8, "cache_dir": "made"}
    first = run("RCEKD", checkerboard, config_dict=values)
    again = run("RCEKD", checkerboard, config_dict={**values, "checkpoint_dir": "elsewhere"})
    assert first.test == again.test
    assert first.stages[-1].history[-1]["losses"] == again.stages[-1].history[-1]["losses"]


def test_another_way_to_keep_the_scores_is_another_folder(checkerboard):
    values = {**STUDENT, "teacher_embedding_size": 8}
    for further in ({}, {"cache_topk": 10}, {"cache_dtype": "float16"}, {"mask_train_positives": False}):
        run("RCEKD", checkerboard, config_dict={**values, **further})
    kinds = sorted(path.name.rpartition("-top")[2] for path in Path("saved").glob("*.cache"))
    assert kinds == ["10.cache", "500-float16.cache", "500-unmasked.cache", "500.cache"]


@pytest.fixture
def drawn(checkerboard):
    """The same interactions in one file, which RecBole splits by its seed, and one user of fewer."""
    folder = Path("dataset/drawn")
    folder.mkdir()
    parts = [Path(f"dataset/board/board.{part}.inter").read_text().splitlines() for part in ("train", "valid", "test")]
    rows = [parts[0][0], *(row for part in parts for row in part[1:]), *(f"few\ti{item}" for item in range(11))]
    (folder / "drawn.inter").write_text("\n".join(rows) + "\n")
    (folder / "drawn.yaml").write_text("load_col:\n    inter: [user_id, item_id]\n")
    return "drawn"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": 7}, "its seed is 2020 and this run's 7"),
        ({"teacher": "BPR"}, "model=LightGCN, and model=BPR is asked for"),
        ({"teacher_embedding_size": 16}, "embedding_size=8, and embedding_size=16 is asked for"),
        ({"user_inter_num_interval": "[12,inf)"}, "other users"),
        ({"mask_train_positives": False}, "built with the opposite"),
    ],
)
def test_what_differs_is_named(drawn, capsys, values, message):
    teach("LightGCN", drawn, config_dict={**VALUES, "cache_dir": "taught"})
    capsys.readouterr()
    words = [f"--{key}={value}" for key, value in {**STUDENT, "cache_dir": "taught", **values}.items()]
    assert main(["train", "--model=RCEKD", f"--dataset={drawn}", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_a_flipped_byte_stops_a_run(taught):
    file = next(p for p in TeacherCache.open("taught").folder.iterdir() if p.name == "items.npy")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"items\.npy"):
        run("RCEKD", taught, config_dict={**STUDENT, "cache_dir": "taught"})


def test_methods_that_read_the_model_refuse_a_folder_of_scores(taught):
    with pytest.raises(UserError, match="learns from its teacher's layers"):
        run("PromptMM", taught, config_dict={**QUIET, "epochs": 1, "cache_dir": "taught"})


class TestCheckpoint:
    @pytest.fixture
    def stock(self, drawn):
        """A checkpoint as stock RecBole writes it, Config object and all."""
        made = build("BPR", drawn, embedding_size=8)
        trainer = Trainer(made.config, made.model)
        trainer.saved_model_file = "stock.pth"
        trainer._save_checkpoint(3, verbose=False)
        return drawn, made.model

    def test_recboles_own_teaches(self, stock):
        name, model = stock
        values = {**VALUES, "teacher_checkpoint": "stock.pth", "cache_dir": "taught"}
        cache = teach("BPR", name, config_dict=values)
        users, items = cache.embeddings()
        assert torch.equal(users, model.user_embedding.weight)
        assert torch.equal(items, model.item_embedding.weight)
        assert cache.record["epochs"] == 0

    def test_ours_teaches_and_scores_as_it_did(self, checkerboard):
        teacher = run("BPR", checkerboard, config_dict=VALUES).stages[0]
        values = {**STUDENT, "teacher": "BPR", "teacher_embedding_size": 8, "teacher_checkpoint": teacher.checkpoint}
        result = run("RCEKD", checkerboard, config_dict=values)
        assert result.stages[0].test == teacher.test

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"embedding_size": 16}, "do not fit BPR .*42 × 8, here 42 × 16.*--teacher_embedding_size"),
            ({"seed": 7}, "trained with seed=2020, and this run has 7"),
            ({"teacher_checkpoint": "absent.pth"}, "no checkpoint at absent.pth"),
        ],
    )
    def test_what_does_not_fit_is_one_sentence(self, stock, values, message):
        given = {**VALUES, "teacher_checkpoint": "stock.pth", "cache_dir": "taught", **values}
        with pytest.raises(UserError, match=message):
            teach("BPR", stock[0], config_dict=given)


def test_a_checkpoint_of_other_data_says_which(checkerboard):
    trained = run("BPR", checkerboard, config_dict=VALUES).stages[0].checkpoint
    with Path("dataset/board/board.test.inter").open("a") as stream:
        stream.write("u1\ti99\n")
    message = r"^checkpoint: saved/\S+ was trained on other items than this run's: 1 item is new here \('i99'\); train"
    with pytest.raises(UserError, match=message):
        run("BPR", checkerboard, config_dict={**VALUES, "checkpoint": trained})
    state = load_checkpoint(trained)
    save_state("bare.pth", {key: state[key] for key in ("state_dict", "config")})
    with pytest.raises(UserError, match=r"bare\.pth is of other data: it was trained with 24 items, and here are 25;"):
        run("BPR", checkerboard, config_dict={**VALUES, "checkpoint": "bare.pth"})


def test_a_plain_model_is_evaluated_from_a_checkpoint(checkerboard):
    trained = run("BPR", checkerboard, config_dict=VALUES)
    found = run("BPR", checkerboard, config_dict={**VALUES, "checkpoint": trained.stages[0].checkpoint})
    assert found.test == trained.test
    assert found.stages[0].epochs == 0
    assert load_checkpoint(found.stages[0].checkpoint)["record"]["valid"] == trained.stages[0].valid


def test_teach_help_and_methods(capsys, checkerboard):
    assert main(["teach", "--help"]) == 0
    assert "--cache_dir" in capsys.readouterr().out
    assert main(["teach", "--model=RCEKD", f"--dataset={checkerboard}"]) == 2
    assert "RCEKD is a distillation method" in capsys.readouterr().err


def test_two_ranks_write_what_one_process_writes(checkerboard, tmp_path):
    words = ["teach", "--model=LightGCN", f"--dataset={checkerboard}"]
    words += [f"--{key}={json.dumps(value)}" for key, value in VALUES.items()]
    alone = python("-m", "recbole_kd", *words, "--cache_dir=one", "--checkpoint_dir=saved-one")
    assert alone.returncode == 0, alone.stderr
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "recbole_kd"]
    both = python(*launch, *words, "--cache_dir=two", "--checkpoint_dir=saved-two")
    assert both.returncode == 0, both.stderr
    one, two = (TeacherCache.open(folder) for folder in ("one", "two"))
    for file in one.folder.glob("*.npy"):
        assert file.read_bytes() == (two.folder / file.name).read_bytes(), file.name
    assert one.digest == two.digest
