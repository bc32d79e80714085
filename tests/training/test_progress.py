"""The arithmetic of the bar: epochs left over all stages."""

import pytest

from recbole_kd.training.progress import Progress
from recbole_kd.training.record import StageRecord, StageStart


def start(stage: str, epochs: int, first: int = 0) -> StageStart:
    return StageStart(stage, "BPR", 10, epochs, first)


def record(stage: str, epochs: int) -> StageRecord:
    return StageRecord(stage, "BPR", epochs, None, {}, {}, 10, 10, None)


@pytest.fixture
def bar(capsys):
    made = Progress({"teacher": 10, "baseline": 20, "student": 20})
    yield made
    made.close()


def share(bar: Progress) -> tuple[float, float]:
    return pytest.approx(bar._bar.n), pytest.approx(bar._bar.total)


def test_a_stage_that_ends_early_makes_the_bar_shorter(bar):
    bar.stage_begins(start("teacher", 10))
    assert share(bar) == (0, 50)
    bar.progressed("teacher", 0.5)
    bar.progressed("teacher", 4)
    assert share(bar) == (4, 50)
    bar.stage_ends(record("teacher", 4))
    assert share(bar) == (4, 44)
    bar.stage_begins(start("baseline", 20))
    bar.progressed("baseline", 20)
    bar.stage_ends(record("baseline", 20))
    assert share(bar) == (24, 44)


def test_what_an_earlier_run_has_trained_is_not_counted(bar):
    bar.stage_ends(record("teacher", 10))
    bar.stage_begins(start("baseline", 20, first=15))
    assert share(bar) == (0, 25)
    bar.progressed("baseline", 16.5)
    assert share(bar) == (1.5, 25)
    bar.stage_ends(record("baseline", 17))
    assert share(bar) == (1.5, 21.5)


def test_nothing_goes_beyond_the_end(bar, capsys):
    bar.stage_begins(start("teacher", 10))
    for epochs in (9, 11, 12, 3):
        bar.progressed("teacher", epochs)
    assert share(bar) == (10, 50)
    for stage in ("teacher", "baseline", "student"):
        bar.stage_ends(record(stage, 10))
    assert share(bar) == (10, 10)
    assert "stage 1 of 3, teacher" in capsys.readouterr().err


def test_no_bar_where_nothing_is_trained(capsys):
    bar = Progress({"model": 3})
    bar.stage_ends(record("model", 3))
    bar.close()
    assert capsys.readouterr().err == ""
