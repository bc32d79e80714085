"""What was computed is not computed again."""

import numpy as np

from recbole_kd.experiments.report.numbers import Kept


def test_once_until_something_changes(tmp_path):
    made = []

    def compute():
        made.append(1)
        return {"values": np.arange(3.0), "names": np.array(["a", "ü"])}

    kept = Kept(tmp_path / "numbers")
    for _ in range(2):
        found = kept.get("some", ["model.pth", {"ndcg@20": 0.1}], compute)
        assert found["values"].tolist() == [0, 1, 2]
        assert found["names"].tolist() == ["a", "ü"]
    assert len(made) == 1
    kept.get("some", ["model.pth", {"ndcg@20": 0.2}], compute)
    kept.get("other", ["model.pth", {"ndcg@20": 0.1}], compute)
    assert len(made) == 3
    for path in (tmp_path / "numbers").glob("some-*.npz"):
        path.write_bytes(b"PK\x03\x04 half a file")
    assert kept.get("some", ["model.pth", {"ndcg@20": 0.1}], compute)["values"].tolist() == [0, 1, 2]
    assert len(made) == 4
    kept.get("some", ["model.pth", {"ndcg@20": 0.1}], compute)
    assert len(made) == 4
