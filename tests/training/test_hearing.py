"""What is looked at before anything is read or trained."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from recbole_kd.cli import main
from tests.cli.test_commands import QUIET, only_line

WORDS = ["train", "--model=BPR", "--dataset=board", *QUIET]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("--report_dir=there", "report_dir=there cannot be written: .*there is no folder; give another --report_dir"),
        ("--report_dir=there/x", "report_dir=there/x cannot be written"),
        (f"--report_dir={'a' * 300}", "file name too long"),
        ("--result_file=dataset", "result_file=dataset is a folder; give the name of a file"),
        ("--result_file=there/r.json", "result_file=there/r.json|result_file=there cannot be written"),
        ("--checkpoint_dir=there", "checkpoint_dir=there cannot be written: .*; give another --checkpoint_dir"),
        pytest.param(
            "--log_wandb=true",
            "log_wandb needs wandb, which is not installed; pip install wandb",
            marks=pytest.mark.skipif(find_spec("wandb") is not None, reason="wandb is installed"),
        ),
    ],
)
def test_what_cannot_be_written_is_said_before_training(checkerboard, capsys, monkeypatch, word, says):
    Path("there").write_text("mine")
    monkeypatch.setattr("recbole_kd.training.fitting._train", lambda job: pytest.fail("trained"))
    assert main([*WORDS, word]) == 2
    assert re.search(says, only_line(capsys.readouterr().err))
    assert Path("there").read_text() == "mine"


@pytest.mark.parametrize("name", ["a<img src=x onerror=alert(1)>$x$", "a b#c%20?", "影" * 60, "x" * 200])
def test_names_of_data_sets(checkerboard, capsys, name):
    folder = Path("dataset", name)
    Path("dataset/board").rename(folder)
    for path in folder.iterdir():
        path.rename(folder / path.name.replace("board", name, 1))
    assert main(["train", "--model=BPR", f"--dataset={name}", *QUIET]) == 0
    assert len(list(Path("saved").glob("*.pth"))) == 1
    assert len(list(Path("log").rglob("*.log"))) == 1
    assert "warning" not in capsys.readouterr().err
