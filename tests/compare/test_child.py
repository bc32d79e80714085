"""How a run's process ends when it is told to."""

import pytest

from recbole_kd.compare import child


def test_a_signal_counts_once_until_it_must_have_been_lost(monkeypatch):
    now = iter([10.0, 10.1, 11.9, 12.1])
    monkeypatch.setattr(child.time, "monotonic", lambda: next(now))
    leave = child._Leave()
    with pytest.raises(SystemExit) as first:
        leave(15, None)
    assert first.value.code == 143
    leave(15, None)
    leave(15, None)
    with pytest.raises(SystemExit):
        leave(15, None)
