import hashlib
import json

import numpy as np
import pytest

from recbole_kd.data.content import making
from recbole_kd.data.content.making import Source, make_modality
from recbole_kd.data.content.report import Report
from recbole_kd.data.content.writing import Target
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import locked
from tests.data.content.stubs import Stub, row_of

TEXTS = {f"i{number}": "broken" if number == 5 else f"text {number}" for number in range(20)}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(making, "BLOCK", 4)


def make(folder, encoder=None, inputs=TEXTS, digest="d", report=None, **more):
    told = hashlib.sha256(repr(inputs).encode()).hexdigest()
    return make_modality(
        inputs,
        encoder or Stub(),
        Source(digest, {"table": "a.csv"}, told),
        Target(folder, "shop", "text"),
        ["i1", "i5", "i77"],
        report or Report(),
        **{"show_progress": False, **more},
    )


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix != ".json"}


def test_rows_ids_and_record(tmp_path):
    report = Report()
    made = make(tmp_path, report=report)
    assert (made.rows, made.width, made.without) == (19, 3, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.text.item_ids", "shop.text.json", "shop.text.npy"]
    tokens = (tmp_path / "shop.text.item_ids").read_text().split()
    assert tokens == [token for token in TEXTS if token != "i5"]
    np.testing.assert_array_equal(np.load(tmp_path / "shop.text.npy"), [row_of(TEXTS[token]) for token in tokens])
    assert report.counts == {"broken ones": 1, "items of the data set without a row": 2}
    record = json.loads((tmp_path / "shop.text.json").read_text())
    assert record["encoder"] == {"name": "stub", "weights_sha256": "w" * 64}
    assert record["source"] == {"table": "a.csv", "sha256": "d"}
    assert (record["rows"], record["width"], record["dtype"]) == (19, 3, "float32")
    assert record["report"]["broken ones"] == {"count": 1, "first": ["i5"]}
    assert record["versions"]["recbole-kd"]
    assert record["made"][:2] == "20"


def test_halves(tmp_path):
    make(tmp_path, float16=True)
    assert np.load(tmp_path / "shop.text.npy").dtype == np.float16


@pytest.mark.parametrize("stop_at", [1, 2, 5])
def test_a_killed_command_goes_on_and_gives_the_same_bytes(tmp_path, stop_at):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    make(whole)
    with pytest.raises(KeyboardInterrupt):
        make(cut, Stub(stop_at=stop_at))
    assert not (cut / "shop.text.npy").exists()
    after = Stub()
    make(cut, after)
    assert len(after.calls) == 20 // 4 - (stop_at - 1)
    assert content(cut) == content(whole)


@pytest.mark.parametrize(
    "other",
    [
        {"inputs": {**TEXTS, "i1": "the same row, read by another column"}},
        {"encoder": Stub(files="g" * 64)},
        {"encoder": Stub(batch_size=2)},
        {"inputs": {**TEXTS, "more": "x"}},
    ],
)
def test_what_was_begun_with_something_else_begins_anew(tmp_path, other):
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "a", Stub(stop_at=4))
    encoder = other.get("encoder", Stub())
    make(tmp_path / "a", **{**other, "encoder": encoder})
    assert encoder.calls[0][0] == "i0"
    make(tmp_path / "b", **other)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_two_at_once(tmp_path):
    blocks = Target(tmp_path, "shop", "text").blocks
    with (
        locked(blocks / ".lock"),
        pytest.raises(UserError, match=r"another recbole-kd features works in .*give another --modality"),
    ):
        make(tmp_path)


def test_nothing_that_can_be_encoded(tmp_path):
    with pytest.raises(UserError, match=r"nothing could be encoded: 1 broken ones \(first: a"):
        make(tmp_path, inputs={"a": "broken"})
    assert not (tmp_path / "shop.text.npy").exists()


def test_a_link_in_place_of_the_blocks(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    Target(tmp_path, "shop", "text").blocks.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a link, which is not followed"):
        make(tmp_path)
    assert list((tmp_path / "elsewhere").iterdir()) == []
