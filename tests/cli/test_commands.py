"""The command line as a user meets it: what it prints, writes and returns."""

import json
import math
import re
import struct
from pathlib import Path

import pytest

from recbole_kd.cli import main
from tests.processes import ROOT, python

SHORT = ["--epochs=1", "--topk=[3]", "--valid_metric=NDCG@3", "--metrics=[Recall,NDCG]", "--state=error"]
QUIET = [*SHORT, "--show_progress=false"]
BAR = re.compile(r"\d+%\|")
STAGE_KEYS = ["name", "model", "epochs", "seconds_per_epoch", "valid", "test", "parameters", "inference_parameters"]
STAGE_KEYS += ["peak_memory", "at_epoch_limit", "threads", "apart", "content_share"]


def strict(text: str) -> dict:
    """Parse JSON as the standard has it: NaN and Infinity are errors."""

    def refuse(token):
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refuse)


def only_line(stderr: str) -> str:
    assert "Traceback" not in stderr
    (line,) = stderr.strip().splitlines()
    assert line.startswith("recbole-kd: ")
    return line


class TestTrain:
    def test_result_file(self, checkerboard):
        words = ["train", "--model=PromptMM", "--dataset=board", *QUIET, "--baseline=true", "--seed=7"]
        assert main([*words, "--result_file=out/result.json"]) == 0
        result = strict(Path("out/result.json").read_text(encoding="utf-8"))
        assert list(result) == ["model", "dataset", "seed", "config", "ranking", "unseen", "stages", "test", "made"]
        assert (result["model"], result["dataset"], result["seed"]) == ("PromptMM", "board", 7)
        assert result["config"]["baseline"] is True
        assert all(list(stage) == STAGE_KEYS for stage in result["stages"])
        assert [stage["name"] for stage in result["stages"]] == ["teacher", "baseline", "student"]
        assert [stage["model"] for stage in result["stages"]] == ["PromptMMTeacher", "LightGCN", "LightGCN"]
        for stage in result["stages"]:
            assert set(stage["test"]) == set(stage["valid"]) == {"recall@3", "ndcg@3"}
            assert all(0 <= value <= 1 for value in stage["test"].values())
            assert stage["epochs"] == 1
            assert stage["seconds_per_epoch"] > 0
        assert result["test"] == result["stages"][-1]["test"]
        student = result["stages"][-1]
        assert student["parameters"] == student["inference_parameters"] == 64 * (41 + 25)

    def test_result_of_one_model(self, checkerboard):
        assert main(["train", "--model=BPR", "--dataset=board", *QUIET, "--result_file=r.json"]) == 0
        result = strict(Path("r.json").read_text())
        assert [stage["name"] for stage in result["stages"]] == ["model"]
        assert result["test"] == result["stages"][0]["test"]

    def test_what_was_not_measured_is_null(self, checkerboard, capsys):
        words = ["--model=PromptMM", "--dataset=board", *QUIET, "--epochs=0", "--result_file=r.json", "--report_dir=r"]
        words.remove("--epochs=1")
        assert main(["train", *words]) == 0
        stages = strict(Path("r.json").read_text())["stages"]
        assert [stage["seconds_per_epoch"] for stage in stages] == [None, None]
        assert [stage["valid"] for stage in stages] == [{}, {}]
        assert "nan" not in capsys.readouterr().out

    def test_table_and_picture(self, checkerboard, capsys):
        words = ["--model=PromptMM", "--dataset=board", *QUIET, "--baseline=true", "--report_dir=report"]
        assert main(["train", *words]) == 0
        printed = capsys.readouterr().out
        table = Path("report/table.md").read_text(encoding="utf-8")
        for text in (printed, table):
            for word in (
                "teacher",
                "student without distillation",
                "distilled student",
                "test recall@3",
                "test ndcg@3",
            ):
                assert word in text
            assert "4,224" in text
            assert "checkpoint, MB" in text
        assert table.count("|") > 20
        picture = Path("report/curves.png").read_bytes()
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", picture[16:24])
        assert min(width, height) > 300
        assert len(set(picture)) > 100

    def test_config_files_and_spaces(self, checkerboard, capsys):
        Path("a.yaml").write_text("epochs: 1\ntopk: [3]\nmetrics: [NDCG]\n")
        Path("b.yaml").write_text("valid_metric: NDCG@3\nshow_progress: False\nstate: error\n")
        words = ["--model", "BPR", "--dataset", "board", "--config_files", "a.yaml b.yaml", "--result_file=r.json"]
        assert main(["train", *words]) == 0
        assert list(strict(Path("r.json").read_text())["test"]) == ["ndcg@3"]
        assert main(["train", "--model=BPR", "--dataset=board", "--config_files=a.yaml none.yaml"]) == 2
        assert "none.yaml" in only_line(capsys.readouterr().err)

    @pytest.mark.parametrize("shown", [True, False])
    def test_progress_bars(self, checkerboard, capfd, shown):
        words = ["--model=PromptMM", "--dataset=board", *SHORT, f"--show_progress={shown}"]
        assert main(["train", *words]) == 0
        captured = capfd.readouterr()
        assert bool(BAR.search(captured.err + captured.out)) is shown


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--model=PromptMN", "--dataset=board"], "did you mean PromptMM"),
            (["--model=BPR", "--dataset=bord"], "did you mean board"),
            (["--model=BPR", "--dataset=board", "--learning_rat=1"], "did you mean learning_rate"),
            (["--model=BPR", "--dataset=board", "--epochs=x"], "epochs='x' is not valid"),
            (["--model=PromptMM", "--dataset=board", "--teacher_n_layers=-1"], "teacher: n_layers=-1"),
            (["--model=BPR"], "no dataset is given"),
            (["--dataset=board"], "no model is given"),
            (["--model=BPR", "--dataset=board", "seed=1"], "write it as --key=value"),
            (["--model=BPR", "--dataset=board", "--topk=[50]", "--valid_metric=MRR@50"], "too long for 24 items"),
            (["--model=PromptMM", "--dataset=board", "--modalities=[sound]", *SHORT], "sound"),
        ],
    )
    def test_one_sentence_and_status_2(self, checkerboard, capsys, words, says):
        assert main(["train", *words, "--show_progress=false"]) == 2
        assert says in only_line(capsys.readouterr().err)

    def test_commands(self, capsys):
        assert main(["trian"]) == 2
        assert "there is no command 'trian'; did you mean train?" in only_line(capsys.readouterr().err)
        assert main(["zzzz"]) == 2
        assert "use one of train, teach, tune, compare, recommend, check, convert" in only_line(capsys.readouterr().err)
        assert main([]) == 2
        assert "train" in capsys.readouterr().out

    def test_an_interrupt_is_no_traceback(self, checkerboard, capsys, monkeypatch):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("recbole_kd.training.run.train_and_test", interrupted)
        assert main(["train", "--model=BPR", "--dataset=board"]) == 130
        assert "interrupted" in only_line(capsys.readouterr().err)


class TestHelp:
    def test_commands_and_models_are_listed(self, capsys):
        assert main(["--help"]) == 0
        assert {"train", "convert"} <= set(capsys.readouterr().out.split())
        for flag in ("-h", "--help"):
            assert main(["train", flag, "--model=BPR"]) == 0
            text = capsys.readouterr().out
            for word in ("PromptMM", "NGCF", "--result_file=PATH", "--dataset=NAME", "--baseline=true"):
                assert word in text

    def test_convert(self, capsys):
        with pytest.raises(SystemExit) as ended:
            main(["convert", "--help"])
        assert ended.value.code == 0
        text = capsys.readouterr().out
        for layout in ("promptmm", "mmrec", "lightgcn", "citeulike", "table"):
            assert f"{layout}:" in text
        for flag in ("--valid_ratio", "--min_user", "--user_field COLUMN"):
            assert flag in text

    def test_convert_one_layout(self, capsys):
        with pytest.raises(SystemExit) as ended:
            main(["convert", "table", "--help"])
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert "usage: recbole-kd convert table SOURCE NAME [options]" in text
        for flag in ("--user COLUMN", "--time_format", "cold_items=0.1", "--min_user", "%d/%m/%Y"):
            assert flag in text
        assert "--valid_ratio" not in text


class TestConvert:
    def test_then_dataset_just_works(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        source = tmp_path / "published"
        source.mkdir()
        (source / "train.txt").write_text("".join(f"{u} {u % 6} {(u + 2) % 6} {(u + 4) % 6}\n" for u in range(8)))
        (source / "test.txt").write_text("".join(f"{u} {(u + 1) % 6}\n" for u in range(8)))
        assert main(["convert", "lightgcn", str(source), "tiny"]) == 0
        assert Path("dataset/tiny/tiny.yaml").is_file()
        assert main(["train", "--model=BPR", "--dataset=tiny", *QUIET, "--result_file=r.json"]) == 0
        assert math.isfinite(strict(Path("r.json").read_text())["test"]["recall@3"])

    def test_refusals(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert main(["convert", "lightgcn", "nowhere", "tiny"]) == 2
        assert "nowhere" in only_line(capsys.readouterr().err)

    @pytest.mark.parametrize("split", ["random", "leave-one-out", "time"])
    def test_a_table_trains_with_each_split(self, tmp_path, monkeypatch, capsys, split):
        monkeypatch.chdir(tmp_path)
        rows = [f"{user:04},SKU-{(user + item) % 14},2024-03-{item + 1:02}" for user in range(20) for item in range(5)]
        Path("orders.csv").write_text("\n".join(["customer,sku,day", *rows, "7,,2024-01-01"]))
        assert main(["convert", "table", "orders.csv", "shop", "--time=day", f"--split={split}"]) == 0
        said = capsys.readouterr()
        for line in ("read       101 rows", "users      20", "items      14", "interactions  100 (density 35.7143%)"):
            assert line in said.out
        assert "next       recbole-kd train --model=LightGCN --dataset=shop\n" in said.out
        assert "1 rows have no item and were left out." in said.err
        assert main(["check", "shop"]) == 0
        assert main(["train", "--model=BPR", "--dataset=shop", *QUIET, "--result_file=r.json"]) == 0
        assert math.isfinite(strict(Path("r.json").read_text())["test"]["recall@3"])

    def test_a_table_that_is_refused(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        Path("orders.csv").write_text("customer,sku\nann,a\nbob,b,c\n")
        assert main(["convert", "table", "orders.csv", "shop"]) == 2
        assert "orders.csv, line 3: it has 3 cells, and the header names 2 columns" in only_line(
            capsys.readouterr().err
        )
        assert not Path("dataset").exists() or not list(Path("dataset").iterdir())


class TestProcesses:
    """The three front doors, each in a process of its own."""

    def test_script(self, checkerboard):
        """Also RecBole's log file and TensorBoard events, where its users look for them."""
        words = ["--model=PromptMM", "--dataset=board", *QUIET, "--result_file=r.json"]
        words.remove("--state=error")
        done = python(ROOT / "run_recbole_kd.py", *words)
        assert done.returncode == 0, done.stderr
        assert "distilled student" in done.stdout
        assert not BAR.search(done.stderr)
        assert strict(Path("r.json").read_text())["test"]
        (log,) = Path("log/PromptMM").glob("*.log")
        text = log.read_text()
        for line in ("epoch 0 training", "epoch 0 evaluating", "best valid", "pair: "):
            assert line in text
        assert list(Path("log_tensorboard").rglob("events.out.tfevents.*"))

    def test_module(self, checkerboard):
        done = python("-m", "recbole_kd", "train", "--model=BPR", "--dataset=board", *SHORT)
        assert done.returncode == 0, done.stderr
        assert BAR.search(done.stderr)

    def test_an_error(self, checkerboard):
        done = python("-m", "recbole_kd", "train", "--model=PromptMM", "--dataset=bord")
        assert done.returncode == 2
        assert "did you mean board?" in only_line(done.stderr)
        assert done.stdout == ""

    def test_help(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        done = python(ROOT / "run_recbole_kd.py", "--help")
        assert done.returncode == 0
        assert "usage: python run_recbole_kd.py --model=MODEL" in done.stdout
        assert list(tmp_path.iterdir()) == []
