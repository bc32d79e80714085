"""Words as other programs take them, and what every command does with them."""

from pathlib import Path

import pytest

from recbole_kd import __version__
from recbole_kd.cli import COMMANDS, main
from recbole_kd.cli.words import joined, split_config_files


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        (["--model", "BPR", "--dataset", "toy"], ["--model=BPR", "--dataset=toy"]),
        (["-m", "BPR", "-d", "toy", "--seed", "-1"], ["--model=BPR", "--dataset=toy", "--seed=-1"]),
        (["-m=BPR", "--topk", "[5, 10]"], ["--model=BPR", "--topk=[5, 10]"]),
        (["--tuned", "--seeds=3"], ["--tuned", "--seeds=3"]),
        (["--model", "-d", "toy"], ["--model", "--dataset=toy"]),
        (["--a=b", "c"], ["--a=b", "c"]),
    ],
)
def test_a_key_and_its_value_are_one_word(words, pairs):
    assert joined(words) == pairs


def test_config_files_are_taken_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert split_config_files(["-c", "a.yaml b.yaml", "--seed", "3"]) == (["--seed=3"], ["a.yaml", "b.yaml"])
    Path("my run.yaml").write_text("")
    assert split_config_files(["--config_files=my run.yaml"]) == ([], ["my run.yaml"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_its_version(command, capsys):
    assert main([command, "--version"]) == 0
    assert capsys.readouterr().out == f"recbole-kd {__version__}\n"


def test_a_run_as_other_programs_are_called(checkerboard, capsys):
    Path("some.yaml").write_text("topk: [3]\nmetrics: NDCG\nvalid_metric: NDCG@3\nepochs: 1\nstate: error\n")
    words = ["-m", "lightgcn", "-d", "board/", "-c", "some.yaml", "--show_progress", "false", "--seed", "3"]
    assert main(["train", *words]) == 0
    assert "LightGCN" in capsys.readouterr().out
    assert main(["train", "board"]) == 2
    assert "write it as --key=value" in capsys.readouterr().err
