"""What is said of a finished stage."""

from recbole_kd.experiments.report.table import stage_notes
from recbole_kd.experiments.results.row import Row
from recbole_kd.training.announce import Announcements
from recbole_kd.training.record import StageRecord, StageStart


def apart(alone: float, filled: float) -> dict[str, dict[str, float]]:
    return {"warm": {"gini@20": 1.0, "recall@20": alone}, "with content, warm": {"gini@20": 0.1, "recall@20": filled}}


def record(**more: object) -> StageRecord:
    return StageRecord("student", "BPR", 3, None, {}, {}, 10, 10, None, **more)


SAID = (
    "the content path pushes items that training has out of the lists: their recall@20 is 0.0490 with it and 0.1000 "
    "without; to rank without it leave out student_content, or take the .content.pth file away from beside the "
    "checkpoint"
)


def test_a_content_path_that_does_harm(caplog):
    harmful = record(apart=apart(0.1, 0.049))
    assert harmful.content_note() == SAID
    assert stage_notes([record(), harmful]) == [f"T{SAID[1:]}"]
    config = {"valid_metric": "Recall@20", "valid_metric_bigger": True}
    told = Announcements(config, ["student"])
    told.stage_begins(StageStart("student", "BPR", 10, 3))
    told.stage_ends(harmful)
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [SAID]


def test_one_that_does_not():
    for some in ({}, apart(0.1, 0.05), apart(0.0, 0.0), apart(float("nan"), 0.1), {"warm": {"recall@20": 0.1}}):
        assert record(apart=some).content_note() == ""


def test_the_mean_over_seeds_counts():
    rows = [{"apart": apart(0.1, low)} for low in (0.0, 0.06)]
    assert (
        "their recall@20 is 0.0300 with it and 0.1000 without" in Row("A", "student", dict(enumerate(rows))).warm_lost()
    )
    rows = [{"apart": apart(0.1, low)} for low in (0.04, 0.08)]
    assert Row("A", "student", dict(enumerate(rows))).warm_lost() == ""
    assert Row("A", "model", {1: {"apart": None}}).warm_lost() == ""
