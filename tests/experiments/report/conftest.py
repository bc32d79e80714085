"""Comparisons whose figures are known: a model of two seeds, and a pair whose parts differ in all."""

import json
from pathlib import Path

import pytest

from recbole_kd.experiments.report.compared import Compared
from recbole_kd.experiments.report.numbers import Kept
from recbole_kd.experiments.results.row import Row
from tests.experiments.compare.conftest import quick, unsynced
from tests.experiments.report.browser import browser

__all__ = ["browser", "compared", "lines", "quick", "unsynced"]

PAIR = "RCEKD:VBPR>BPR"


def stage(ndcg: float, values: int, milliseconds: float, **more) -> dict:
    return {
        "model": "BPR",
        "test": {"ndcg@20": ndcg},
        **dict.fromkeys(("parameters", "bytes", "seconds_per_epoch", "epochs", "peak_memory"), 1),
        "inference_parameters": values,
        "checkpoint": f"{values}-{ndcg}.pth",
        "latency": {"1": milliseconds, "1024": milliseconds / 10},
        **more,
    }


def epoch(number: int, ndcg: float, **losses: float) -> dict:
    valid = {"recall@10": ndcg / 2, "recall@20": ndcg / 2, "ndcg@10": ndcg, "ndcg@20": ndcg}
    return {"epoch": number, "seconds": 1.0, "losses": losses or {"loss": 1 / (number + 1)}, "valid": valid}


@pytest.fixture
def compared(tmp_path: Path) -> Compared:
    """Rows ``BPR`` (seeds 7 and 8), and of seed 7 alone ``PAIR teacher``, ``PAIR alone`` and ``PAIR``."""
    student = [{**epoch(0, 0.1, base=1.0, rce=30.0), "diagnostics": {"overlap": 0.2, "closure": 0.1}}]
    student.append({**epoch(1, 0.3, base=0.5, rce=20.0), "diagnostics": {"overlap": 0.6, "closure": 0.3}})
    histories = {
        "one.json": {"BPR": [epoch(0, 0.1), epoch(1, 0.2), epoch(2, 0.3)]},
        "two.json": {"BPR": [epoch(0, 0.3), epoch(1, 0.4)]},
        "pair.json": {f"{PAIR} teacher": [epoch(0, 0.5)], f"{PAIR} alone": [epoch(0, 0.2)], PAIR: student},
    }
    for name, values in histories.items():
        (tmp_path / name).write_text(json.dumps(values))
    one, two, pair = (tmp_path / name for name in histories)
    rows = [
        Row("BPR", "model", {7: stage(0.2, 1000, 0.5), 8: stage(0.4, 1000, 0.5)}, {}, "BPR", {7: one, 8: two}),
        Row(f"{PAIR} teacher", "teacher", {7: stage(0.5, 90000, 9.0)}, {}, PAIR, {7: pair}),
        Row(f"{PAIR} alone", "baseline", {7: stage(0.1, 50, 0.1)}, {}, PAIR, {7: pair}),
        Row(PAIR, "student", {7: stage(0.25, 2000, 0.1)}, {}, PAIR, {7: pair}),
    ]
    return Compared(rows, "ndcg@20", Kept(tmp_path / "numbers"))


def lines(axis) -> dict[str, list[tuple[float, float]]]:
    """Points of the labelled lines of a panel."""
    return {
        line.get_label(): [(float(x), float(y)) for x, y in line.get_xydata()]
        for line in axis.get_lines()
        if not line.get_label().startswith("_")
    }
