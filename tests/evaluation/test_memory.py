"""The peak of one part of a process."""

import numpy as np

from recbole_kd.evaluation import memory
from recbole_kd.evaluation.memory import peak_memory, reset_peak

LARGE = 200 * 2**20


def taken() -> int:
    return int(np.ones(LARGE, np.uint8)[-1]) and peak_memory("cpu")


def test_the_peak_of_a_part():
    reset_peak("cpu")
    before = peak_memory("cpu")
    assert before > 10 * 2**20
    assert taken() > before + 0.9 * LARGE
    assert peak_memory("cpu") > before + 0.9 * LARGE  # also after it was given back
    reset_peak("cpu")
    assert peak_memory("cpu") < before + 0.5 * LARGE


def test_where_there_is_no_proc_it_is_the_processs(monkeypatch, tmp_path):
    for name in ("_STATUS", "_CLEAR"):
        monkeypatch.setattr(memory, name, tmp_path / "none" / "here")
    reset_peak("cpu")
    assert peak_memory("cpu") > 10 * 2**20
