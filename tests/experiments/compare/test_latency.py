"""Milliseconds a user, from checkpoints."""

import json
from pathlib import Path

from tqdm import tqdm

from recbole_kd.experiments.compare.latency import measure
from tests.experiments.compare.conftest import compare


def test_data_that_were_moved(quick, caplog):
    assert compare("--models=BPR") == 0
    (stage,) = json.loads(Path("compare/board/runs.jsonl").read_text())["rows"]
    Path("dataset").rename("elsewhere")
    bar = tqdm(disable=True)
    measure([stage], None, bar)
    assert stage["latency"] is None
    assert "the latency of saved/board-BPR-model-" in caplog.text
    measure([stage, twin := dict(stage)], "elsewhere", bar)
    assert set(stage["latency"]) == {"1", "1024"}
    assert min(stage["latency"].values()) > 0
    assert twin["latency"] is stage["latency"]  # one checkpoint is measured once
