"""What the tests of trained models and of their lists share."""

from pathlib import Path

from recbole_kd.cli import main
from recbole_kd.experiments.run import run

QUIET = {"show_progress": False, "state": "error", "topk": [3], "metrics": ["NDCG"], "valid_metric": "NDCG@3"}


def train(model: str, dataset: str = "board", **values) -> str:
    return run(model, dataset, config_dict={**QUIET, "epochs": 2, **values}).stages[-1].checkpoint


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


def join_parts() -> None:
    """Join the parts of the checkerboard into one file, which RecBole splits by its seed."""
    parts = [Path(f"dataset/board/board.{part}.inter").read_text().splitlines() for part in ("train", "valid", "test")]
    rows = [parts[0][0], *(row for part in parts for row in part[1:])]
    Path("dataset/board/board.inter").write_text("\n".join(rows) + "\n")
