"""Quartiles by training interactions."""

import numpy as np

from recbole_kd.experiments.report.groups import quartiles


def test_four_groups():
    found = quartiles(np.arange(1, 9))
    assert found.of.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.labels == ["1–2", "3–4", "5–6", "7–8"]


def test_equal_values_stay_together():
    found = quartiles(np.array([5, 5, 5, 5, 5, 5, 1000, 5]))
    assert len({group for group, value in zip(found.of, [5] * 6 + [1000, 5], strict=True) if value == 5}) == 1
    assert quartiles(np.array([0, 0, 0, 1, 2, 3])).labels[0] == "0"
    same = quartiles(np.full(5, 3))
    assert (same.of.tolist(), same.labels) == ([0] * 5, ["3"])
    many = quartiles(np.array([1, 1, 1, 1, 2000, 3000]))
    assert many.labels[-1] == "3,000" or many.labels[-1] == "2,000–3,000"
