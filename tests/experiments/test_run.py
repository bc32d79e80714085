"""The public calls: they print nothing, tell callbacks how it goes, and give back what the commands print."""

import logging
from pathlib import Path

import pytest

import recbole_kd
from recbole_kd import Callback
from recbole_kd.foundation.errors import UserError
from tests.distillers.contract import QUIET

VALUES = {key: value for key, value in QUIET.items() if key not in ("show_progress", "state")}


class Heard(Callback):
    def __init__(self):
        self.told = []

    def run_begins(self, config):
        self.told.append(("begins", config.model))

    def validated(self, stage, history):
        self.told.append((stage, history[-1]["epoch"], set(history[-1]["valid"])))

    def stage_ends(self, record):
        self.told.append(("ends", record.name))

    def run_ends(self, result):
        self.told.append(("run", result.model))


def test_nothing_is_printed_and_no_log_is_kept(checkerboard, capfd):
    handlers = list(logging.getLogger().handlers)
    result = recbole_kd.run("RCEKD", checkerboard, config_dict={**VALUES, "epochs": 2, "baseline": True})
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")
    assert not Path("log").exists()
    assert logging.getLogger().handlers == handlers
    assert [stage.name for stage in result.stages] == ["teacher", "baseline", "student"]
    cache = recbole_kd.teach("BPR", checkerboard, config_dict={**VALUES, "epochs": 1, "cache_dir": "taught"})
    assert capfd.readouterr() == ("", "")
    assert cache.n_items == 25


def test_progress_is_shown_to_those_who_ask(checkerboard, capfd):
    recbole_kd.run("BPR", checkerboard, config_dict={**VALUES, "epochs": 1, "show_progress": True})
    written = capfd.readouterr()
    assert written.out == ""
    assert "stage 1 of 1, model" in written.err


def test_callbacks_hear_every_stage(checkerboard):
    heard = Heard()
    recbole_kd.run("RCEKD", checkerboard, config_dict={**VALUES, "epochs": 2}, callbacks=[heard, Callback()])
    metrics = {"ndcg@3", "recall@3"}
    stages = [[(stage, epoch, metrics) for epoch in range(2)] + [("ends", stage)] for stage in ("teacher", "student")]
    assert heard.told == [("begins", "RCEKD"), *stages[0], *stages[1], ("run", "RCEKD")]
    heard.told.clear()
    recbole_kd.run("RCEKD", checkerboard, config_dict={**VALUES, "epochs": 2}, callbacks=[heard])
    assert heard.told == [("begins", "RCEKD"), ("ends", "teacher"), ("ends", "student"), ("run", "RCEKD")]


def test_what_a_callback_raises_ends_the_run(checkerboard):
    class Enough(Exception):
        pass

    class Impatient(Callback):
        def validated(self, stage, history):
            raise Enough

    with pytest.raises(Enough):
        recbole_kd.run("BPR", checkerboard, config_dict={**VALUES, "epochs": 5}, callbacks=[Impatient()])
    assert not list(Path("saved").glob("*.pth"))


def test_files_are_written_where_the_config_says(checkerboard):
    given = {**VALUES, "epochs": 1, "result_file": "result.json", "report_dir": "report"}
    recbole_kd.run("BPR", checkerboard, config_dict=given)
    assert {path.name for path in Path("report").iterdir()} == {"table.md", "curves.png"}
    assert Path("result.json").is_file()


def test_compare_and_tune_give_their_results(checkerboard, capfd):
    values = {**VALUES, "epochs": 2, "report": False, "out": "compared"}
    found = recbole_kd.compare(["BPR", "BPR[embedding_size=8]"], checkerboard, config_dict=values)
    assert list(found.table.frame()["label"]) == ["BPR", "BPR[embedding_size=8]"]
    assert found.failed == []
    assert all(path.exists() for path in found.paths)
    pytest.importorskip("optuna")
    values = {**VALUES, "epochs": 2, "search": {"learning_rate": ["log", 0.001, 0.01]}}
    best = recbole_kd.tune("BPR", checkerboard, trials=2, config_dict=values)
    assert best.best_file.is_file()
    assert set(best.best) >= {"learning_rate"}
    assert 0 <= best.score <= 1
    assert capfd.readouterr() == ("", "")


def test_recommend_is_a_function(checkerboard):
    result = recbole_kd.run("BPR", checkerboard, config_dict={**VALUES, "epochs": 1})
    (found,) = recbole_kd.recommend(result.stages[-1].checkpoint, ["u3"], topk=3)
    assert (found.user, len(found.items)) == ("u3", 3)
    with pytest.raises(UserError, match="there is no user 'u99'"):
        recbole_kd.recommend(result.stages[-1].checkpoint, ["u99"])
