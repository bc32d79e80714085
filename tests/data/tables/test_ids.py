"""One rule for ids, whoever reads them."""

from __future__ import annotations

import json

import pytest

from recbole_kd.data.content.report import Report
from recbole_kd.data.content.table import ItemTable
from recbole_kd.data.content.texts import texts_of
from recbole_kd.data.convert.table import read
from recbole_kd.data.tables.ids import looks_fractional, nearly_the_same
from recbole_kd.foundation.errors import UserError

IDS = [
    *("00012", "SKU-001", "NA", " a ", "é", "a\u2028b", "[pad]", "x" * 500, 7, -7, 346.0, 0),
    *("[PAD]", "a\tb", "a\nb", "a\r", "a\0", "\ud800", "x" * 501, 1.5, 1e300, True, [1], {"a": 1}),
    *("", "  ", "\t", None),
]


def by_convert(path):
    try:
        return read(path).item_tokens[1:]
    except UserError as error:
        return str(error)


def by_features(path):
    try:
        texts = texts_of(ItemTable(path, "item", ["user"]).rows(), path, Report())
    except UserError as error:
        return str(error)
    return list(texts)[1:]


@pytest.mark.parametrize("value", IDS, ids=repr)
def test_a_table_of_interactions_and_one_of_items_agree(tmp_path, value):
    path = tmp_path / "t.jsonl"
    rows = [{"user": "u", "item": "first"}, {"user": "u", "item": value}]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    one, other = by_convert(path), by_features(path)
    assert type(one) is type(other)
    if isinstance(one, list):
        assert one == other
    else:
        assert "line 2" in one
        assert one.split(", which")[-1] == str(other).split(", which")[-1]


def test_bytes_are_ids_of_both(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"user": ["u", "u"], "item": [b"first", "é".encode()]}), path)
    assert by_convert(path) == by_features(path) == ["é"]
    parquet.write_table(pyarrow.table({"user": ["u"], "item": [b"\xff"]}), path)
    assert "row 1: item is" in by_convert(path)
    assert "row 1: item is" in by_features(path)


def test_what_nearly_is_an_id():
    ids, others = ["12", "0", "a", "346.0", "b", "x"], ["00012", "000", " a", "346", "x y"]
    assert list(nearly_the_same(ids, others)) == [("12", "00012"), ("0", "000"), ("a", " a"), ("346.0", "346")]
    assert [looks_fractional(token) for token in ("346.0", "-1.00", "1.5", ".0", "a.0")] == [True, True] + [False] * 3
