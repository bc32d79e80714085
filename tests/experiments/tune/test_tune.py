"""The search: trials, what a kill leaves, and what it writes."""

import csv
import json
import os
import shlex
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from recbole_kd.cli import main
from recbole_kd.experiments.tune import search as pipeline
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import locked
from recbole_kd.training import fitting

SHORT = ["--epochs=2", "--topk=[3]", "--valid_metric=NDCG@3", "--metrics=[Recall,NDCG]", "--show_progress=false"]
BPR = ["--model=BPR", "--dataset=board", *SHORT]
RATE = "--search={learning_rate: [log, 1e-3, 1e-1], weight_decay: null, train_batch_size: null}"
FOLDER = Path("tune/board-BPR")


@pytest.fixture
def studied(checkerboard, capsys) -> None:
    """A search of one trial."""
    assert search(*BPR, RATE, "--trials=1", "--state=error") == 0
    capsys.readouterr()


class Killed(BaseException):
    """What no handler catches, as SIGKILL."""


def search(*words: str) -> int:
    return main(["tune", *words])


def rows(folder: Path = FOLDER) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def only_line(stderr: str) -> str:
    assert "Traceback" not in stderr
    (line,) = stderr.strip().splitlines()
    return line


@pytest.fixture
def calls(monkeypatch) -> list[dict]:
    """The values of each call of ``pipeline.run``, which goes on as ever."""
    made, run = [], pipeline.run

    def counted(*args, **kwargs):
        made.append(dict(kwargs.get("config_dict") or {}))
        return run(*args, **kwargs)

    monkeypatch.setattr(pipeline, "run", counted)
    return made


class TestSearch:
    def test_best_yaml_in_a_plain_run(self, checkerboard, capsys, calls):
        assert search(*BPR, RATE, "--trials=3") == 0
        printed = capsys.readouterr().out
        trials = rows()
        assert [row["state"] for row in trials] == ["complete"] * 3
        assert float(trials[0]["learning_rate"]) == 0.001
        assert len({row["learning_rate"] for row in trials}) == 3
        best = max(trials, key=lambda row: float(row["valid"]))
        text = (FOLDER / "best.yaml").read_text()
        comment = f"# BPR on board: best of 3 trials; validation NDCG@3 {float(best['valid'])}\n"
        assert text == f"{comment}learning_rate: {best['learning_rate']}\n"
        assert "valid NDCG@3" in printed
        assert "test" not in printed
        command = shlex.split(printed.strip().splitlines()[-1])
        assert command[:2] == ["recbole-kd", "train"]
        assert command[-1] == "--config_files=tune/board-BPR/best.yaml"
        assert not Path("saved").exists()
        assert not (FOLDER / "running").exists()
        assert len(calls) == 3
        assert main([*command[1:], "--result_file=r.json"]) == 0
        (stage,) = json.loads(Path("r.json").read_text())["stages"]
        assert stage["valid"]["ndcg@3"] == float(best["valid"])

    def test_goes_on_and_repeats_nothing(self, checkerboard, calls):
        assert search(*BPR, RATE, "--trials=4", "--study_dir=whole") == 0
        whole = calls.copy()
        calls.clear()
        assert search(*BPR, RATE, "--trials=2") == 0
        assert len(calls) == 2
        assert search(*BPR, RATE, "--trials=4") == 0
        assert [call["learning_rate"] for call in calls] == [call["learning_rate"] for call in whole]
        assert search(*BPR, RATE, "--trials=4") == 0
        assert len(calls) == 4
        assert rows() == rows(Path("whole"))

    @pytest.mark.parametrize("killed_at", [1, 3])
    def test_a_killed_trial_is_run_again(self, checkerboard, calls, monkeypatch, killed_at):
        assert search(*BPR, RATE, "--trials=3", "--study_dir=whole") == 0
        run = pipeline.run
        calls.clear()

        def killed(*args, **kwargs):
            if len(calls) == killed_at - 1:
                raise Killed
            return run(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "run", killed)
            with pytest.raises(Killed):
                search(*BPR, RATE, "--trials=3")
        assert search(*BPR, RATE, "--trials=3") == 0
        assert len(calls) == 3
        assert rows() == rows(Path("whole"))

    def test_a_failed_trial_is_noted(self, checkerboard, monkeypatch, capsys):
        run = pipeline.run

        def fails_once(*args, **kwargs):
            if kwargs["config_dict"]["learning_rate"] != 0.001:
                raise UserError("the training loss of BPR is NaN; lower learning_rate")
            return run(*args, **kwargs)

        monkeypatch.setattr(pipeline, "run", fails_once)
        assert search(*BPR, RATE, "--trials=2") == 0
        assert [row["state"] for row in rows()] == ["complete", "failed"]
        assert rows()[1]["reason"] == "the training loss of BPR is NaN; lower learning_rate"
        assert "2 trials, 1 failed" in (FOLDER / "best.yaml").read_text()

    def test_all_failed(self, checkerboard, capsys):
        words = [*BPR, "--search={learning_rate: [log, 1e20, 1e25]}", "--learning_rate=1e20", "--trials=2"]
        assert search(*words, "--state=error") == 2
        line = only_line(capsys.readouterr().err)
        assert "all 2 trials failed, the first because: the training loss of BPR is NaN; lower learning_rate" in line
        assert not (FOLDER / "best.yaml").exists()

    @pytest.mark.parametrize("prune", [True, False])
    def test_pruning(self, checkerboard, monkeypatch, prune):
        monkeypatch.setattr("recbole_kd.experiments.tune.study.WARM_UP_EPOCHS", 1)
        monkeypatch.setattr("recbole_kd.experiments.tune.study._ENOUGH", 1)
        words = ["--search={learning_rate: [choice, 0.1, 1e-12], weight_decay: null, train_batch_size: null}"]
        words += ["--learning_rate=0.1", "--epochs=6", "--trials=4", f"--prune={prune}"]
        seen = []

        def begin(self, number):
            seen.append((self.config["learning_rate"], number))

        monkeypatch.setattr("recbole_kd.bridge.trainer.SafeTrainerMixin._begin_epoch", begin)
        assert search(*[word for word in BPR if "epochs" not in word], *words) == 0
        states = {(row["learning_rate"], row["state"]) for row in rows()}
        slow = [number for rate, number in seen if rate == 1e-12]
        assert ("0.1", "complete") in states
        assert (("1e-12", "pruned") in states) is prune
        assert (max(slow) < 5) is prune
        assert yaml.safe_load((FOLDER / "best.yaml").read_text()) == {"learning_rate": 0.1}

    def test_values_seen_before_are_not_trained_again(self, checkerboard, calls):
        given = "--search={learning_rate: null, weight_decay: null, train_batch_size: [choice, 2048, 1024]}"
        assert search(*BPR, given, "--trials=5") == 0
        assert len(rows()) == 5
        assert len(calls) == 2

    def test_a_key_that_is_given_is_held(self, checkerboard, calls):
        assert search(*BPR, "--learning_rate=0.02", "--train_batch_size=64", "--trials=2") == 0
        assert [call["learning_rate"] for call in calls] == [0.02, 0.02]
        assert "learning_rate" not in rows()[0]
        assert rows()[0]["weight_decay"] == "0.0"
        best = yaml.safe_load((FOLDER / "best.yaml").read_text())
        held = {"learning_rate": 0.02, "train_batch_size": 64}  # the best values are best beside these
        assert best == {"weight_decay": best["weight_decay"]} | held

    def test_a_range_of_the_users_yaml(self, checkerboard, calls):
        Path("mine.yaml").write_text("search:\n  learning_rate: [log, 1e-3, 2e-3]\n  weight_decay: ~\n")
        assert search(*BPR, "--config_files=mine.yaml", "--trials=3") == 0
        assert all(0.001 <= float(row["learning_rate"]) <= 0.002 for row in rows())
        assert list(rows()[0]) == ["trial", "state", "valid", "learning_rate", "train_batch_size", "reason"]

    def test_distillation_trains_its_teacher_once(self, checkerboard, monkeypatch, capsys):
        trained = []
        train_stage = fitting.train_stage

        def noted(*args, **kwargs):
            trained.append(train_stage(*args, **kwargs))
            return trained[-1]

        for module in ("recbole_kd.training.run", "recbole_kd.training.teaching"):
            monkeypatch.setattr(f"{module}.train_stage", noted)
        words = ["--model=RCEKD", "--dataset=board", *SHORT, "--kd_topk=5", "--kd_samples=5", "--kd_max_rank=10"]
        assert search(*words, "--cache_topk=5", "--trials=2") == 0
        teachers = [stage.record for stage in trained if stage.record.name == "teacher"]
        assert len(teachers) == 2
        assert teachers[0].seconds_per_epoch == teachers[1].seconds_per_epoch  # the second was taken from its file
        assert not Path("tune/board-RCEKD/running").exists()
        best = yaml.safe_load(Path("tune/board-RCEKD/best.yaml").read_text())
        assert {"kd_weight", "student_learning_rate"} <= set(best)
        words += ["--cache_topk=5", "--config_files=tune/board-RCEKD/best.yaml", "--result_file=r"]
        assert main(["train", *words]) == 0
        score = json.loads(Path("r").read_text())["stages"][-1]["valid"]["ndcg@3"]
        assert score == max(float(row["valid"]) for row in rows(Path("tune/board-RCEKD")))


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--trials=0"], "trials=0 is not valid"),
            (["--prune=maybe"], "prune='maybe' is not valid"),
            (["--search=3"], "search=3 is not valid"),
            (["--search={learning_rate: 0.1}"], "search: learning_rate: 0.1 is no range"),
            (["--search={learning_rat: [log, 1e-4, 1]}"], "BPR has no key 'learning_rat'; did you mean learning_rate"),
            (["--search={teacher_learning_rate: [log, 1e-4, 1]}"], "BPR has no key 'teacher_learning_rate'"),
            (["--search={seed: [int, 1, 9]}"], "different values of seed cannot be compared"),
            (["--search={topk: [int, 1, 9]}"], "different values of topk cannot be compared"),
            (["--learning_rat=0.1"], "did you mean learning_rate"),
            (["--eval_step=0"], "tune needs a validation score"),
        ],
    )
    def test_one_sentence(self, checkerboard, capsys, words, says):
        assert search(*BPR, *words) == 2
        assert says in only_line(capsys.readouterr().err)
        assert not Path("tune").exists()

    def test_a_key_of_two_stages(self, checkerboard, capsys):
        words = ["--model=PromptMM", "--dataset=board", *SHORT]
        assert search(*words, "--search={learning_rate: [log, 1e-4, 1]}") == 2
        assert "search student_learning_rate or teacher_learning_rate" in only_line(capsys.readouterr().err)

    def test_a_teachers_key_and_a_cache(self, checkerboard, capsys):
        words = ["--model=RCEKD", "--dataset=board", *SHORT, "--cache_dir=c"]
        assert search(*words, "--search={teacher_learning_rate: [log, 1e-4, 1]}") == 2
        assert "whose scores cache_dir holds" in only_line(capsys.readouterr().err)

    def test_a_folder_of_another_search(self, checkerboard, capsys):
        assert search(*BPR, RATE, "--trials=1", "--state=error") == 0
        for words, part in (([RATE, "--epochs=3"], "settings"), ([], "ranges")):
            other = [word for word in BPR if "epochs" not in word or not words]
            capsys.readouterr()
            assert search(*other, *words, "--state=error", "--trials=1") == 2
            assert f"tune/board-BPR holds a search of other {part}" in only_line(capsys.readouterr().err)
        with Path("dataset/board/board.train.inter").open("a") as stream:
            stream.write("u0\ti1\n")
        assert search(*BPR, RATE, "--trials=1", "--state=error") == 2
        assert "holds a search of other data" in only_line(capsys.readouterr().err)

    def test_a_damaged_study(self, checkerboard, capsys):
        FOLDER.mkdir(parents=True)
        (FOLDER / "study.db").write_text("no data base")
        assert search(*BPR) == 2
        assert "study.db is damaged or not a study" in only_line(capsys.readouterr().err)

    @pytest.mark.parametrize(
        "damage",
        [
            "update study_user_attributes set value_json = '[1]'",
            "update study_user_attributes set value_json = '{\"data\": 3}'",
            "update study_user_attributes set value_json = '{'",
            "update trial_user_attributes set value_json = '3'",
            'update trial_params set distribution_json = \'{"name": "Other", "attributes": {}}\'',
            "update trial_params set distribution_json = 'x'",
            "update trials set state = 'ODD'",
            "update trial_values set value_type = 'ODD'",
            "update trial_values set value = 'high'",
            "drop table trial_values",
            "drop table studies",
        ],
    )
    def test_a_study_whose_values_are_damaged(self, studied, capsys, damage):
        with closing(sqlite3.connect(FOLDER / "study.db")) as database, database:
            database.execute(damage)
        found = search(*BPR, RATE, "--trials=1", "--state=error")
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert found == 2, line
        assert "study.db is damaged or not a study" in line

    @pytest.mark.parametrize("name", ["study.db", "study.db-journal", ".lock"])
    @pytest.mark.parametrize("link", [os.symlink, os.link])
    def test_a_link_in_the_folder(self, checkerboard, capsys, name, link):
        FOLDER.mkdir(parents=True)
        Path("precious").write_text("precious")
        link(Path("precious").absolute(), FOLDER / name)
        assert search(*BPR) == 2
        assert f"{FOLDER / name} is " in only_line(capsys.readouterr().err)
        assert Path("precious").read_text() == "precious"

    def test_two_at_once(self, checkerboard, capsys):
        with locked(FOLDER / ".lock"):
            assert search(*BPR) == 2
        assert "another recbole-kd tune works in tune/board-BPR" in only_line(capsys.readouterr().err)

    def test_without_optuna(self, checkerboard, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "optuna", None)
        assert search(*BPR) == 2
        assert "tune needs Optuna; install it with: pip install 'recbole-kd[tune]'" in only_line(
            capsys.readouterr().err
        )

    def test_help(self, capsys):
        assert search("--help") == 0
        assert "--trials=20" in capsys.readouterr().out


def test_a_bar_with_the_best_score(checkerboard, capsys):
    words = [word for word in BPR if "progress" not in word]
    assert search(*words, RATE, "--trials=1") == 0
    error = capsys.readouterr().err
    assert "1/1" in error
    assert "best NDCG@3 0." in error
    shutil.rmtree("tune")
    assert search(*words, RATE, "--trials=1", "--show_progress=false") == 0
    assert "1/1" not in capsys.readouterr().err
