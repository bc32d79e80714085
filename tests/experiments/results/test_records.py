"""runs.jsonl: whole or not at all, and never read wrongly."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kd.experiments.results.records import Records
from recbole_kd.foundation.errors import UserError

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def record(digest: str, status: str = "done", **values) -> dict:
    return {"digest": digest, "label": "BPR", "seed": 1, "status": status, "rows": [], **values}


@settings(deadline=None, max_examples=30)
@given(st.lists(plain, max_size=4))
def test_what_is_put_is_read(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("records") / "runs.jsonl"
    records = Records(path)
    for number, value in enumerate(values):
        records.put(record(str(number), note=value))
    again = Records(path)
    for number, value in enumerate(values):
        assert again.done(str(number)) == record(str(number), note=value)
    assert again.of(["0", "none"]) == records.of(["0"])


def test_a_failed_run_is_not_done_and_is_replaced(tmp_path):
    path = tmp_path / "runs.jsonl"
    records = Records(path)
    records.put(record("a", "failed"))
    records.put(record("b", value=float("nan")))
    assert records.done("a") is None
    Records(path).put(record("a"))
    assert [json.loads(line)["status"] for line in path.read_text().splitlines()] == ["done", "done"]
    assert Records(path).done("b")["value"] is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs.jsonl"]


def test_a_text_may_hold_any_line_break(tmp_path):
    Records(tmp_path / "runs.jsonl").put(record("a", reason="one\x85two\u2028three\nfour"))
    assert Records(tmp_path / "runs.jsonl").done("a")["reason"] == "one\x85two\u2028three\nfour"


@pytest.mark.parametrize("damage", ['{"digest": "b", "la', "[]", "", '{"digest": "b"}', "\x00", "\x85"])
def test_a_damaged_line_is_named(tmp_path, damage):
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(record("a")) + "\n" + damage + "\n")
    with pytest.raises(UserError, match=r"line 2 of .*runs.jsonl is damaged(: .*)?; delete the line") as caught:
        Records(path)
    assert "\n" not in str(caught.value)


def test_no_text(tmp_path):
    (tmp_path / "runs.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"cannot read .*runs.jsonl"):
        Records(tmp_path / "runs.jsonl")


STAGE = {"label": "BPR", "role": "model", "model": "BPR", "test": {"ndcg@3": 0.5}, "checkpoint": "saved/a.pth"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"users": "../../etc/passwd"}, "users: string should match pattern"),
        ({"users": "/etc/passwd"}, "users: string should match pattern"),
        ({"histories": "histories/../x.json"}, "histories: string should match pattern"),
        ({"log": 3}, "log: input should be a valid string"),
        ({"status": "fine"}, "status: input should be 'done' or 'failed'"),
        ({"seed": "1"}, "seed: input should be a valid integer"),
        ({"rows": [{**STAGE, "test": {"ndcg@3": "high"}}]}, "rows.0.test.ndcg@3: input should be a valid number"),
        ({"rows": [{**STAGE, "bytes": -1}]}, "rows.0.bytes: input should be greater than or equal to 0"),
        ({"rows": [{**STAGE, "latency": 3}]}, "rows.0.latency: input should be a valid dictionary"),
        ({"rows": [{"label": "BPR"}]}, "rows.0.role: field required"),
    ],
)
def test_a_value_of_another_type(tmp_path, values, says):
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(record("a") | values) + "\n")
    with pytest.raises(UserError) as caught:
        Records(path)
    assert f"line 1 of {path} is damaged: {says}" in str(caught.value)


def test_a_whole_line(tmp_path):
    path = tmp_path / "runs.jsonl"
    files = {"users": "users/BPR-1-a.npz", "histories": "histories/BPR-1-a.json", "log": "logs/BPR-1-a.log"}
    path.write_text(json.dumps(record("a", **files) | {"rows": [STAGE]}) + "\n")
    assert Records(path).done("a")["users"] == "users/BPR-1-a.npz"
