"""What a comparison finds out before its first run."""

from pathlib import Path

import numpy as np
import pytest

from recbole_kd.experiments.compare import early
from tests.experiments.compare.conftest import OF_PAIR, PAIR, compare


@pytest.fixture
def read(monkeypatch) -> list[int]:
    """The seed of each reading of the data."""
    found: list[int] = []
    open_data = early.open_data
    monkeypatch.setattr(early, "open_data", lambda config: found.append(config["seed"]) or open_data(config))
    return found


def drop_a_row() -> None:
    ids = Path("dataset/board/board.item_ids")
    tokens = ids.read_text().splitlines()
    ids.write_text("\n".join([*tokens[:-1], "elsewhere", ""]))


@pytest.mark.parametrize("label", ["VBPR", PAIR])
def test_missing_features_before_the_first_run(quick, capsys, label):
    drop_a_row()
    assert compare(f"--models=BPR,{label}", "--seeds=2", *OF_PAIR) == 2
    assert quick == []
    said = capsys.readouterr()
    assert f"recbole-kd: {label}: " in said.err
    assert "missing_features" in said.err
    assert said.out == ""


def test_a_content_path_without_features(quick, capsys):
    for path in Path("dataset/board").glob("*.npy"):
        path.unlink()
    words = ["--models=BPR,RCEKD:BPR>BPR", "--student_content=linear", *OF_PAIR]
    assert compare(*words) == 2
    assert quick == []
    assert "RCEKD:BPR>BPR: student_content=linear learns from item features, and" in capsys.readouterr().err


def test_data_are_read_once_and_only_where_features_are_needed(quick, read):
    assert compare("--models=BPR,Pop") == 0
    assert read == []
    drop_a_row()
    words = ["--models=VBPR,VBPR[learning_rate=0.01],VBPR[epochs=1]", "--seeds=2", "--missing_features=mean"]
    assert compare(*words) == 0
    assert read == [2020]
    assert compare(*words) == 0  # nothing is left to be made
    assert read == [2020]


def test_values_that_are_no_numbers_are_found_too(quick, capsys):
    path = Path("dataset/board/board.noise.npy")
    rows = np.load(path)
    rows[3] = np.nan
    np.save(path, rows)
    assert compare("--models=BPR,VBPR") == 2
    assert quick == []
