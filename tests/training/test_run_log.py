"""The log of a run: a file of its own for every run, with the settings, and lines for people on the screen."""

import logging
from pathlib import Path

import pytest

import recbole_kd
from recbole_kd.cli import main
from tests.distillers.contract import QUIET

VALUES = {key: value for key, value in QUIET.items() if key not in ("show_progress", "state")} | {"epochs": 2}
WORDS = [f"--{key}={value}" for key, value in VALUES.items()] + ["--show_progress=false"]


def logs() -> list[Path]:
    return sorted(Path("log").rglob("*.log"))


def test_settings_are_for_the_file_and_stages_for_the_screen(checkerboard, capsys):
    assert main(["train", "--model=RCEKD", "--dataset=board", "--baseline=true", *WORDS]) == 0
    captured = capsys.readouterr()
    (log,) = logs()
    assert log.parent == Path("log/RCEKD")
    assert log.name.startswith("RCEKD-board-seed2020-")
    text = log.read_text(encoding="utf-8")
    for line in ("learning_rate = ", "BPR(", "The number of users", "epoch 0 training", "stage 1 of 3: teacher, "):
        assert line in text
    assert "\x1b[" not in text
    for line in ("learning_rate = ", "BPR(", "The number of users"):
        assert line not in captured.err
    for line in (
        "stage 1 of 3: teacher, LightGCN, 8,448 parameters, up to 2 epochs",
        "epoch 1: loss 0.",
        "ndcg@3 0.",
        "stage 2 of 3: student alone, BPR, 1,320 parameters, up to 2 epochs",
        "stage 3 of 3: distilled student, BPR, 1,320 parameters, up to 2 epochs",
        "stage 3 of 3 ended: 2 epochs, valid ndcg@3 0.",
        "distilled student ended at its epoch limit of 2; raise epochs",
    ):
        assert line in captured.err
    assert len(captured.err.splitlines()) == 3 * 5
    assert "\nTeacher ended at its epoch limit of 2; raise epochs\n" in captured.out
    assert {path.name for path in (Path("log_tensorboard") / log.stem).iterdir()} == {"teacher", "baseline", "student"}


def test_every_run_of_a_process_has_its_own(checkerboard, capsys):
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    words = ["train", "--model=BPR", "--dataset=board", *WORDS]
    assert main(words) == main(words) == 0
    first, second = (log.read_text(encoding="utf-8") for log in logs())
    told = first + second
    assert told.count("stage 1 of 1: BPR, 4,224 parameters") == 1
    assert told.count("stage 1 of 1: BPR, taken from saved/") == 1
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == (handlers, level)


def test_from_python_a_log_is_kept_where_it_is_asked_for(checkerboard, capfd):
    for _ in range(2):
        recbole_kd.run("BPR", checkerboard, config_dict={**VALUES, "log_dir": "logs"})
    assert capfd.readouterr() == ("", "")
    assert len(list(Path("logs/BPR").glob("*.log"))) == 2
    assert not Path("log").exists()


@pytest.mark.parametrize("folder", ["log", "log_tensorboard"])
def test_a_file_in_the_way_costs_the_log_and_not_the_run(checkerboard, capsys, folder):
    Path(folder).write_text("mine")
    assert main(["train", "--model=BPR", "--dataset=board", *WORDS]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    says = {
        "log": "no log is kept in log/BPR: not a directory; --log_dir=FOLDER gives it another place",
        "log_tensorboard": "TensorBoard's events are not kept in log_tensorboard/BPR-board-",
    }
    assert line.startswith(f"recbole-kd: warning: {says[folder]}")
    assert Path(folder).read_text() == "mine"
    assert list(Path("saved").glob("*.pth"))


def test_no_log_and_another_place(checkerboard, capsys):
    assert main(["train", "--model=BPR", "--dataset=board", *WORDS, "--log_dir=null"]) == 0
    assert main(["train", "--model=BPR", "--dataset=board", *WORDS, "--log_dir=a b/c"]) == 0
    assert not logs()
    assert len(list(Path("a b/c/BPR").glob("*.log"))) == 1


def test_state_counts_for_both(checkerboard, capsys):
    assert main(["train", "--model=BPR", "--dataset=board", *WORDS, "--state=error"]) == 0
    assert capsys.readouterr().err == ""
    assert logs()[0].read_text() == ""


def test_the_bar_is_one_over_all_stages(checkerboard, capfd):
    recbole_kd.run("RCEKD", checkerboard, config_dict={**VALUES, "baseline": True, "show_progress": True})
    error = capfd.readouterr().err
    assert "stage 1 of 3, teacher" in error
    assert error.rstrip().splitlines()[-1].count("100%") == 1
    assert "at most 00:00 left" in error
    for other in ("Train ", "Evaluate"):
        assert other not in error
