"""Counts of a data set against a count by hand."""

from collections import Counter

import numpy as np
import pytest

from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.overview import overview_of
from recbole_kd.registry import make_config


@pytest.fixture
def folder(tmp_path):
    """10 users; item i9 is in validation alone, i10 and i11 in the file of items alone, and one pair is there twice."""
    folder = tmp_path / "toy"
    folder.mkdir()
    parts = {
        "train": [(u, (u + k) % 9) for u in range(10) for k in range(5)] + [(0, 0)],
        "valid": [(u, 9) for u in range(3)],
        "test": [(u, (u + 6) % 9) for u in range(10)],
    }
    for name, rows in parts.items():
        text = "".join(f"u{u}\ti{i}\t{86400 * (u + 1)}\n" for u, i in rows)
        (folder / f"toy.{name}.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + text)
    (folder / "toy.item").write_text("item_id:token\n" + "".join(f"i{n}\n" for n in range(12)))
    np.save(folder / "toy.text.npy", np.random.default_rng(0).normal(size=(11, 4)))
    (folder / "toy.item_ids").write_text("".join(f"i{n}\n" for n in range(10)) + "other\n")
    return folder


def look(folder, **values):
    load = {"inter": ["user_id", "item_id", "timestamp"], "item": "*"}
    values = {"data_path": str(folder.parent), "load_col": load, "benchmark_filename": list("xyz"), **values}
    return overview_of(MultiModalDataset(make_config("BPR", "toy", config_dict=values)))


def test_counts_are_those_of_a_plain_count(folder):
    found = look(folder, benchmark_filename=["train", "valid", "test"], missing_features="zero")
    assert (found.users, found.items, found.interactions, found.repeated) == (10, 12, 64, 1)
    assert found.density == 63 / 120
    assert [part["interactions"] for part in found.parts.values()] == [51, 3, 10]
    assert found.parts["valid"] == {"interactions": 3, "users": 3, "items": 1}
    assert found.unseen == {"users": 0, "items": 1}
    assert found.unused == {"users": 0, "items": 2}
    assert found.rows_read == {"toy.train.inter": 51, "toy.valid.inter": 3, "toy.test.inter": 10, "toy.item": 12}
    assert found.times == ("1970-01-02T00:00:00+00:00", "1970-01-11T00:00:00+00:00")
    assert found.modalities == {"text": {"width": 4, "items": 10, "rows": 1}}
    assert sum(found.per_user.values()) == 10
    assert found.faults == []


def test_a_histogram_counts_up_to_powers_of_two(folder):
    found = look(folder, benchmark_filename=["train", "valid", "test"], missing_features="zero")
    rows = [
        line.split("\t")[1]
        for name in found.rows_read
        if name.endswith(".inter")
        for line in (folder / name).read_text().splitlines()[1:]
    ]
    counts = Counter(rows).values()
    for high, number in found.per_item.items():
        assert number == sum(high / 2 < count <= high for count in counts)


def test_what_a_model_of_features_would_refuse_is_a_fault(folder):
    (fault,) = look(folder, benchmark_filename=["train", "valid", "test"]).faults
    assert "2 of 12 items have no row" in fault


def test_the_split_is_said(folder):
    (folder / "toy.train.inter").rename(folder / "toy.inter")
    found = look(folder, benchmark_filename=None, missing_features="zero")
    assert found.split == "RS 0.8 : 0.1 : 0.1 of each user's interactions in random order of seed 2020"
