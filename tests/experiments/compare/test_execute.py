"""Runs in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from tqdm import tqdm

from recbole_kd.experiments.compare.execute import execute, task_of
from recbole_kd.experiments.compare.plan import Run, plan
from tests.experiments.compare.conftest import METRICS, OF_PAIR, compare
from tests.experiments.compare.test_command import runs, table
from tests.processes import ROOT

ENDLESS = ["--epochs=1000000", "--stopping_step=1000000", "--snapshot_seconds=0"]
WORDS = ["--dataset=board", "--topk=[3,5]", "--valid_metric=NDCG@3", METRICS, *ENDLESS]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def silent(total: int = 1) -> tqdm:
    return tqdm(total=total, disable=True)


def made(jobs: int, runs: list[Run]) -> list[dict]:
    records: list[dict] = []
    execute(runs, Path("out"), jobs, records.append, silent(len(runs)))
    return records


def wait_for_epochs(log: Path) -> None:
    """Until a training is under way, one minute at most."""
    for _ in range(600):
        if log.is_file() and "epoch 3 training" in log.read_text():
            return
        time.sleep(0.1)


def leftovers() -> list[str]:
    return [path.name for path in Path().rglob("*.part")]


def test_in_parallel_as_one_after_another(quick, one_thread, monkeypatch):
    """Two pairs at a time that share their teacher, which is trained once."""
    words = ["--models=RCEKD:VBPR>BPR,RCEKD:VBPR>LightGCN", *OF_PAIR]
    assert compare(*words, "--out=sequential", "--checkpoint_dir=sequential/saved") == 0
    monkeypatch.setattr("recbole_kd.experiments.compare.command.execute", execute)
    assert compare(*words, "--jobs=2", "--out=parallel", "--checkpoint_dir=parallel/saved") == 0
    first, second = table(Path("sequential")), table(Path("parallel"))
    assert list(first) == list(second)
    for label, row in first.items():
        for key, value in row.items():
            if not key.startswith(("seconds", "ms_", "peak", "bytes")):  # a checkpoint holds paths
                assert second[label][key] == value, (label, key)
    logs = [(Path("parallel") / run["log"]).read_text() for run in runs(Path("parallel"))]
    assert sum("teacher: training VBPR" in log for log in logs) == 1
    assert sum("teacher: VBPR taken from" in log for log in logs) == 1
    left = {path.name.split("-")[1] for path in Path("parallel/saved").iterdir()}
    assert left == {"VBPR", "BPR", "LightGCN"}
    assert not list(Path("parallel").rglob("*.lock")) + leftovers()


@pytest.fixture
def interruptible():
    """Also where SIGINT is ignored, as in a shell script's background: ``make test &``."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_runs_end_with_who_waits_for_them(checkerboard, interruptible):
    """With an interrupt, and with a kill, of which a run only sees that its pipe is closed."""
    orphan, run = plan(["BPR"], [1, 2], WORDS)
    command = [sys.executable, "-m", "recbole_kd.experiments.compare.child"]
    with open("log", "wb") as stream:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT)
    process.stdin.write(json.dumps(task_of(orphan, Path("other"))).encode() + b"\n")
    process.stdin.flush()
    log = Path(f"out/logs/{run.name}.log")
    threading.Thread(target=lambda: (wait_for_epochs(log), signal.raise_signal(signal.SIGINT)), daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        made(1, [run])
    wait_for_epochs(Path("log"))
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(30) != 0
    sizes = [path.stat().st_size for path in (log, Path("log"))]
    time.sleep(0.3)
    assert sizes == [path.stat().st_size for path in (log, Path("log"))]  # nobody trains any more
    for path in (log, Path("log")):
        assert "epoch 3 training" in path.read_text()
    assert not leftovers()
    assert not list(Path().glob("*/running/*"))
    assert len(list(Path("saved").glob("*.resume"))) == 2


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("kill -9 $$", "its process was killed, perhaps because memory ran out"),
        ("kill -11 $$", "its process ended with signal 11"),
        ("echo broken; exit 3", "its process ended with status 3"),
    ],
)
def test_a_process_that_dies(checkerboard, monkeypatch, script, says):
    python = Path("python.sh").absolute()
    python.write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(python, 0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    records = made(2, plan(["BPR", "Pop"], [1, 2], WORDS))
    found = sorted((record["label"], record["seed"]) for record in records)
    assert found == [("BPR", 1), ("BPR", 2), ("Pop", 1), ("Pop", 2)]
    for record in records:
        assert record["status"] == "failed"
        assert record["reason"] == f"{says} (log: out/{record['log']})"
        assert ("broken" in (Path("out") / record["log"]).read_text()) is ("echo" in script)
    assert not Path("out/running").exists()
