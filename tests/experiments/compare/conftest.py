"""Comparisons without what takes long: no processes of their own, and latencies of two lists."""

from datetime import UTC, datetime
from functools import partial

import pytest

from recbole_kd.cli import main
from recbole_kd.evaluation.cost import user_milliseconds
from recbole_kd.experiments.compare import child, command, execute, latency

METRICS = "--metrics=[Recall,NDCG,Precision,Hit,MRR]"
SHORT = ["--epochs=2", "--topk=[3,5]", "--valid_metric=NDCG@3", METRICS, "--state=error", "--show_progress=false"]
PAIR = "RCEKD:VBPR>BPR"
OF_PAIR = ["--kd_topk=5", "--kd_samples=5", "--kd_max_rank=10", "--cache_topk=5"]


def compare(*words: str, report: bool = False) -> int:
    """Without the report, which would take longer than all else."""
    return main(["compare", "--dataset=board", *SHORT, *["--report=false"] * (not report), *words])


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """No test here cuts the power."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def quick(monkeypatch, checkerboard) -> list[str]:
    """Runs in this process, by label and seed in the order made; ``patched`` latencies."""
    made: list[str] = []

    def in_process(runs, out, jobs, ended, bar):
        for run in runs:
            made.append(f"{run.label} {run.seed}")
            result = child.work(execute.task_of(run, out))
            ended(execute.record_of(run, result, datetime.now(UTC), 0.5))
            bar.update()

    monkeypatch.setattr(command, "execute", in_process)
    monkeypatch.setattr(latency, "user_milliseconds", partial(user_milliseconds, seconds=0.0))
    return made
