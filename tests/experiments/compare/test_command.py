"""A whole comparison as a user meets it; runs are made in this process."""

import csv
import json
import math
from pathlib import Path

import pytest

from recbole_kd.cli import main
from recbole_kd.experiments.compare import child, command, latency
from recbole_kd.experiments.results.users import read_users
from recbole_kd.foundation.files import locked
from tests.cli.test_commands import only_line
from tests.experiments.compare.conftest import OF_PAIR, PAIR, SHORT, compare

OUT = Path("compare/board")


def table(folder: Path = OUT) -> dict[str, dict[str, str]]:
    with (folder / "table.csv").open(newline="") as stream:
        return {row["label"]: row for row in csv.DictReader(stream)}


def runs(folder: Path = OUT) -> list[dict]:
    return [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]


class TestTable:
    def test_models_and_a_pair(self, quick, capsys):
        assert compare(f"--models=BPR,{PAIR}", "--seeds=2", *OF_PAIR) == 0
        printed = capsys.readouterr().out
        assert quick == ["BPR 2020", "BPR 2021", f"{PAIR} 2020", f"{PAIR} 2021"]
        rows = table()
        assert list(rows) == ["BPR", f"{PAIR} teacher", f"{PAIR} alone", PAIR]
        assert [row["model"] for row in rows.values()] == ["BPR", "VBPR", "BPR", "BPR"]
        assert [row["role"] for row in rows.values()] == ["model", "teacher", "baseline", "student"]
        for label, row in rows.items():
            tests = [stage["test"] for run in runs() for stage in run["rows"] if stage["label"] == label]
            for name in ("recall@3", "ndcg@5", "precision@5", "hit@3", "mrr@5"):
                one, other = (test[name] for test in tests)
                assert float(row[name]) == pytest.approx((one + other) / 2)
                assert float(row[f"{name}_sd"]) == pytest.approx(abs(one - other) / math.sqrt(2))
            for key in ("parameters", "inference_parameters", "bytes", "peak_memory"):
                assert int(row[key]) > 0
            assert all(float(row[key]) > 0 for key in ("seconds_per_epoch", "ms_per_user_1", "ms_per_user_1024"))
            assert (row["seeds"], row["epochs"]) == ("2", "2.0")
            assert (row["t_p_holm"] == "") == (label == "BPR")
        for label in rows:
            assert label in printed
            assert label in (OUT / "table.md").read_text()
        assert "2 models on board, seeds 2020 to 2021, test: full ranking, train + valid items masked" in printed
        assert "ndcg@3 of each of 40 users, averaged over seeds, against BPR; paired" in printed

    def test_what_is_on_disk(self, quick):
        assert compare(f"--models={PAIR}", "--seed=7", *OF_PAIR) == 0
        (run,) = runs()
        keys = ["digest", "label", "model", "dataset", "seed", "settings", "status", "reason", "rows"]
        assert list(run) == [*keys, "made", "started", "seconds", "users", "histories", "log"]
        assert (run["label"], run["model"], run["dataset"], run["seed"]) == (PAIR, "RCEKD", "board", 7)
        assert (run["status"], run["reason"]) == ("done", None)
        assert [row["role"] for row in run["rows"]] == ["teacher", "baseline", "student"]
        for row in run["rows"]:
            assert Path(row["checkpoint"]).stat().st_size == row["bytes"]
            assert set(row["latency"]) == {"1", "1024"}
            values = read_users(OUT / run["users"], row["role"], "recall@5")
            assert values.mean() == pytest.approx(row["test"]["recall@5"], abs=1e-4)
            history = json.loads((OUT / run["histories"]).read_text())[row["label"]]
            assert [epoch["epoch"] for epoch in history] == [0, 1]
        assert {path.name for path in OUT.iterdir()} == {
            *("users", "histories", "runs.jsonl", "table.csv", "table.md", "table.tex", "table.json")
        }
        facts = json.loads((OUT / "table.json").read_text())
        assert facts["runs"] == [run["digest"]]
        assert (facts["reference"], facts["test_metric"], facts["failed"]) == (PAIR, "ndcg@3", [])
        words = [*run["settings"]["words"], "--result_file=r.json", "--report_dir=r"]
        words = [word for word in words if word != "--show_progress=false"]
        result = child.run(config_file_list=run["settings"]["config_files"], arguments=words)
        assert result.test == run["rows"][-1]["test"]

    def test_reference_and_metric(self, quick):
        words = ["--models=BPR,Pop", "--reference=Pop", "--test_metric=MRR@5"]
        assert compare(*words) == 0
        rows = table()
        assert rows["Pop"]["t_p"] == ""
        difference = float(rows["BPR"]["mrr@5"]) - float(rows["Pop"]["mrr@5"])
        assert float(rows["BPR"]["difference"]) == pytest.approx(difference, abs=2e-4)
        assert "mrr@5 of each of 40 users, averaged over seeds, against Pop" in (OUT / "table.md").read_text()

    def test_the_table_is_told_before_the_pictures_are_made(self, quick, capsys, monkeypatch):
        told: list[str] = []

        def drawn(self: command.Comparison, table: object) -> Path:
            told.append(capsys.readouterr().out)
            return Path("compare/board/report.html")

        monkeypatch.setattr(command.Comparison, "_report", drawn)
        assert compare("--models=BPR", report=True) == 0
        assert "1 model on board" in told[0]
        assert told[0].endswith("runs.jsonl\n")
        assert capsys.readouterr().out == "pictures: compare/board/report.html\n"

    def test_a_random_split(self, quick):
        """Each seed has test users of its own; those that all seeds test are compared."""
        split = "--eval_args={split: {RS: [8, 1, 1]}, group_by: none, order: RO, mode: full}"
        words = ["--models=BPR,Pop", "--seeds=2", "--benchmark_filename=null", split]
        lines = [Path(f"dataset/board/board.{part}.inter").read_text().split("\n", 1) for part in ("train", "valid")]
        Path("dataset/board/board.inter").write_text(lines[0][0] + "\n" + lines[0][1] + lines[1][1])
        assert compare(*words) == 0
        assert 2 <= int(table()["Pop"]["users"]) < 40


class TestResume:
    def test_nothing_is_made_twice(self, quick, monkeypatch):
        assert compare("--models=BPR") == 0
        before = (OUT / "runs.jsonl").read_text()
        monkeypatch.setattr(latency, "user_milliseconds", None)  # nor measured
        assert compare("--models=BPR") == 0
        assert quick == ["BPR 2020"]
        assert (OUT / "runs.jsonl").read_text() == before

    def test_what_is_new_is_added_and_the_order_does_not_matter(self, quick):
        assert compare("--models=BPR") == 0
        assert compare("--models=Pop,BPR", "--seeds=2", "--reference=BPR") == 0
        assert quick == ["BPR 2020", "Pop 2020", "Pop 2021", "BPR 2021"]
        first = table()
        assert compare("--models=BPR,Pop", "--seeds=2", "--out=other") == 0
        for label, row in table(Path("other")).items():
            measured = ("seconds", "ms_", "peak")
            same = {key: value for key, value in row.items() if not key.startswith(measured)}
            assert same == {key: value for key, value in first[label].items() if not key.startswith(measured)}

    def test_other_settings_are_another_run_and_old_ones_stay_out_of_the_table(self, quick):
        assert compare("--models=BPR", "--learning_rate=0.01") == 0
        before = table()["BPR"]
        assert compare("--models=BPR", "--learning_rate=0.1") == 0
        assert quick == ["BPR 2020"] * 2
        assert len(runs()) == 2
        assert table()["BPR"]["seeds"] == "1"
        assert table()["BPR"]["ndcg@5"] != before["ndcg@5"]
        assert compare("--models=BPR", "--learning_rate=0.01") == 0
        assert len(quick) == 2
        assert table()["BPR"] == before

    def test_an_interrupted_comparison_goes_on(self, quick, capsys, monkeypatch):
        run = child.run

        def interrupted(*args, **kwargs):
            if "--seed=2021" in kwargs["arguments"]:
                raise KeyboardInterrupt
            return run(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(child, "run", interrupted)
            assert compare("--models=BPR,Pop", "--seeds=2") == 130
        assert "interrupted; the same command goes on" in only_line(capsys.readouterr().err)
        assert [(record["label"], record["seed"]) for record in runs()] == [("BPR", 2020)]
        assert not (OUT / "table.csv").exists()
        del quick[:]
        assert compare("--models=BPR,Pop", "--seeds=2") == 0
        assert quick == ["BPR 2021", "Pop 2020", "Pop 2021"]

    def test_resume_false(self, quick):
        assert compare("--models=BPR") == 0
        assert compare("--models=BPR", "--resume=false") == 0
        assert quick == ["BPR 2020"] * 2
        assert len(runs()) == 1

    def test_the_folder_may_be_moved(self, quick):
        assert compare("--models=BPR,Pop") == 0
        OUT.rename("moved")
        assert compare("--models=BPR,Pop", "--out=moved") == 0
        assert len(quick) == 2
        assert table(Path("moved"))["Pop"]["users"] == "40"


class TestFailures:
    def test_a_run_that_fails_is_noted_and_tried_again(self, quick, capsys, monkeypatch):
        run = child.run

        def fails(*args, **kwargs):
            if "--model=Pop" in kwargs["arguments"]:
                raise ZeroDivisionError("nothing\nat all")
            return run(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(child, "run", fails)
            assert compare("--models=BPR,Pop", "--reference=Pop") == 1
        failed = "Pop, seed 2020 failed: ZeroDivisionError: nothing at all"
        assert failed in capsys.readouterr().err
        assert failed in (OUT / "table.md").read_text()
        assert list(table()) == ["BPR"]
        assert [record["status"] for record in runs()] == ["done", "failed"]
        assert compare("--models=BPR,Pop") == 0
        assert quick == ["BPR 2020", "Pop 2020", "Pop 2020"]
        assert list(table()) == ["BPR", "Pop"]

    def test_what_the_user_can_mend_is_said_as_ever(self, quick, capsys):
        assert compare("--models=BPR,RCEKD:BPR>BPR", "--learning_rate=1e20", *OF_PAIR) == 2
        assert "no run ended well, the first because: the training loss of BPR is NaN" in capsys.readouterr().err
        assert not (OUT / "table.csv").exists()

    def test_a_checkpoint_that_is_gone(self, quick, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(latency, "_of_checkpoint", lambda path, data_path: None)
            assert compare("--models=BPR") == 0
        Path(runs()[0]["rows"][0]["checkpoint"]).unlink()
        assert compare("--models=BPR") == 0
        assert (table()["BPR"]["ms_per_user_1"], quick) == ("", ["BPR 2020"])

    def test_an_exception_is_no_traceback_of_ours(self, checkerboard, monkeypatch):
        monkeypatch.setattr(child, "run", lambda **_: 1 / 0)
        result = child.work({"words": [], "config_files": []})
        assert result == {"status": "failed", "reason": "ZeroDivisionError: division by zero", "rows": []}


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ([], "no models are given; add --models=BPR,LightGCN"),
            (["--models=,"], "--models names no model"),
            (["--models=BPRR"], "there is no model called 'BPRR'; did you mean BPR"),
            (["--models=RCEKD:BM3"], "'RCEKD:BM3' in --models is no pair"),
            (["--models=BPR", "--seeds=0"], "seeds=0 is not valid"),
            (["--models=BPR", "--jobs=0"], "jobs=0 is not valid"),
            (["--models=BPR", "--jobs=many"], "jobs='many' is not valid"),
            (["--models=BPR,VBPR", "--reference=VBP"], "no row 'VBP' to compare with; did you mean VBPR"),
            (
                ["--models=BPR", "--test_metric=NDCG@6"],
                "--test_metric=NDCG@6 cannot be tested; give one of recall, ndcg",
            ),
            (["--models=BPR", "--test_metric=AUC"], "--test_metric=AUC cannot be tested"),
            (["--models=BPR", "--learning_rat=1"], "did you mean learning_rate"),
            (["--models=BPR", "--out=file"], "--out=file is a file; give a folder"),
            (["--models=BPR", "--out=file/in"], "cannot write in file/in"),
            (["--models=BPR", "--tuned"], "there are no tuned values in tune/board-BPR/best.yaml; make them with"),
            (["--models=BPR", "BPR"], "cannot read the argument 'BPR'"),
        ],
    )
    def test_one_sentence(self, checkerboard, capsys, words, says):
        Path("file").write_text("")
        assert compare(*words) == 2
        assert says in only_line(capsys.readouterr().err)
        assert not Path("compare").exists()

    def test_no_data_set(self, capsys):
        assert main(["compare", "--models=BPR"]) == 2
        assert "no dataset is given; add --dataset=NAME" in only_line(capsys.readouterr().err)

    def test_a_damaged_line(self, quick, capsys):
        OUT.mkdir(parents=True)
        (OUT / "runs.jsonl").write_text("{\n")
        assert compare("--models=BPR") == 2
        assert "line 1 of compare/board/runs.jsonl is damaged; delete the line" in only_line(capsys.readouterr().err)
        assert quick == []

    def test_a_full_disk(self, quick, capsys, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("recbole_kd.experiments.results.records.Records.put", full)
        assert compare("--models=BPR") == 2
        assert "cannot go on in compare/board: [Errno 28] No space left" in only_line(capsys.readouterr().err)

    def test_two_at_once(self, checkerboard, capsys):
        with locked(OUT / ".lock"):
            assert compare("--models=BPR") == 2
        assert "another recbole-kd compare works in compare/board" in only_line(capsys.readouterr().err)

    def test_help(self, capsys):
        assert main(["compare", "--help"]) == 0
        assert "METHOD:TEACHER>STUDENT" in capsys.readouterr().out


def test_tuned_values_are_those_of_the_search(quick):
    pytest.importorskip("optuna")
    search = "--search={learning_rate: [log, 1e-3, 1e-1], weight_decay: null, train_batch_size: null}"
    words = [word for word in SHORT if "state" not in word]
    assert main(["tune", "--model=BPR", "--dataset=board", *words, search, "--trials=3"]) == 0
    with Path("tune/board-BPR/trials.csv").open() as stream:
        best = max(csv.DictReader(stream), key=lambda row: float(row["valid"]))
    assert compare("--models=BPR", "--tuned") == 0
    assert runs()[0]["rows"][0]["valid"]["ndcg@3"] == float(best["valid"])


def test_a_bar(quick, capsys):
    words = [word for word in SHORT if "progress" not in word]
    assert main(["compare", "--dataset=board", *words, "--models=BPR,Pop"]) == 0
    error = capsys.readouterr().err
    assert "Compare on board: 100%" in error
    assert "2/2" in error
    assert "Latency" in error
    assert "Report: 100%" in error


def test_a_model_that_cannot_be_timed_costs_no_table(quick, monkeypatch, caplog):
    def broken(scorer, batch):
        raise RuntimeError("no\nway")

    monkeypatch.setattr(latency, "user_milliseconds", broken)
    assert compare("--models=BPR") == 0
    assert table()["BPR"]["ms_per_user_1"] == ""
    assert "is not measured: no way" in caplog.text
