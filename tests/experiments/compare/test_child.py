"""How a run's process ends when it is told to."""

import contextlib
import io
import json
import signal

import pytest

from recbole_kd.experiments.compare import child


def test_a_signal_counts_once_until_it_must_have_been_lost(monkeypatch):
    now = iter([10.0, 10.1, 11.9, 12.1])
    monkeypatch.setattr(child.time, "monotonic", lambda: next(now))
    leave = child._Leave()
    assert not leave.asked
    with pytest.raises(SystemExit) as first:
        leave(15, None)
    assert first.value.code == 143
    assert leave.asked
    leave(15, None)
    leave(15, None)
    with pytest.raises(SystemExit):
        leave(15, None)


def test_an_exception_on_the_way_out_is_no_result(monkeypatch, tmp_path):
    def told_to_end(task):
        with contextlib.suppress(SystemExit):
            signal.raise_signal(signal.SIGTERM)
        return {"status": "failed", "reason": "RuntimeError: as compiled code passes it on", "rows": []}

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(child, "work", told_to_end)
    monkeypatch.setattr(child, "_end_with_parent", lambda: None)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"result": str(tmp_path / "result.json")})))
    try:
        assert child.main() == 143
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not list(tmp_path.iterdir())
