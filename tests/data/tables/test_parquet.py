"""Parquet files of all kinds, and small ones that claim a terabyte."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from recbole_kd.data.convert.table import read
from recbole_kd.data.tables import parquet as module
from recbole_kd.data.tables.opening import open_table
from recbole_kd.foundation.errors import UserError

pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (recbole-kd[content])")
parquet = pytest.importorskip("pyarrow.parquet")

LONG = 2_000_000  # characters, and with 8,192 rows 16 GB
ROWS = 8192


@pytest.fixture
def write(tmp_path):
    def _write(columns, **options):
        parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet", **options)
        return tmp_path / "t.parquet"

    return _write


def values(path, **more):
    table = open_table(path, **more)
    return [row for block in table.blocks(table.names) for row in zip(*block.columns, strict=True)]


def typed():
    """Columns of many types, with what Python has of them."""
    texts = ["é", None, "", "b" * 40]
    columns = {
        "text": pyarrow.array(texts),
        "large": pyarrow.array(texts, pyarrow.large_string()),
        "category": pyarrow.array(texts).dictionary_encode(),
        "view": pyarrow.array(texts).cast(pyarrow.string_view()),
        "bytes": pyarrow.array([b"a", None, b"", b"\xff"]),
        "sixteen": pyarrow.array([b"a" * 16, None, b"b" * 16, b"c" * 16], pyarrow.binary(16)),
        "number": pyarrow.array([1.5, None, float("inf"), -0.0]),
        "truth": pyarrow.array([True, None, False, True]),
        "nothing": pyarrow.nulls(4),
        "words": pyarrow.array([["x", None, "é"], None, [], ["y"]]),
        "large words": pyarrow.array([["x"], None, [], ["y"]], pyarrow.large_list(pyarrow.large_string())),
        "numbers": pyarrow.array([[1, 2], None, [], [None]]),
        "with.a dot": pyarrow.array([["x"], None, [], ["y"]]),
    }
    return columns, list(zip(*(column.to_pylist() for column in columns.values()), strict=True))


@pytest.mark.parametrize("decoded", [1, 60, 1 << 26])
@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"row_group_size": 1}, {"delta": True}])
def test_all_types_are_what_arrow_says(write, monkeypatch, decoded, options):
    monkeypatch.setattr(module, "_DECODED", decoded)
    columns, expected = typed()
    if "delta" in options:
        kinds = {
            "text": "DELTA_BYTE_ARRAY",
            "words.list.element": "DELTA_BYTE_ARRAY",
            "bytes": "DELTA_LENGTH_BYTE_ARRAY",
        }
        options = {"use_dictionary": False, "column_encoding": kinds}
    path = write(columns, **options)
    assert values(path) == expected
    for name in columns:
        (place,) = (at for at, one in enumerate(columns) if one == name)
        found = [value for block in open_table(path).blocks([name]) for value in block.columns[0]]
        assert found == [row[place] for row in expected]


def test_rows_keep_their_places(write, monkeypatch):
    monkeypatch.setattr(module, "_DECODED", 7)
    path = write({"item": ["a", "bcdefgh", "ijk", "l", "m" * 9]}, row_group_size=2)
    blocks = list(open_table(path).blocks(["item"]))
    assert [block.place(row) for block in blocks for row in range(len(block.columns[0]))] == [
        f"{path}, row {row}" for row in range(1, 6)
    ]


@pytest.mark.parametrize(
    ("column", "options"),
    [
        (lambda long: [long] * ROWS, {}),
        (lambda long: ["a"] * 5000 + [long] * ROWS, {}),
        (lambda long: ["a", *[long] * 40], {"use_dictionary": False, "column_encoding": {"about": "DELTA_BYTE_ARRAY"}}),
        (lambda long: ["a", long] * 40, {"use_dictionary": False, "compression": "zstd"}),
        (lambda long: [["a", long] * 1000] * 3, {}),
    ],
    ids=["dictionary", "dictionary behind short ones", "prefixes", "packed", "lists"],
)
def test_a_small_file_with_a_long_text_that_rows_share(write, tmp_path, column, options):
    whole = column("x" * LONG)
    words = pyarrow.array(["a", "x" * LONG])
    if not options and isinstance(whole[0], str):
        numbers = np.array([value != "a" for value in whole], dtype=np.int32)
        about = pyarrow.DictionaryArray.from_arrays(pyarrow.array(numbers), words)
    elif not options:
        flat = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, 1] * 3000, pyarrow.int32()), words)
        about = pyarrow.ListArray.from_arrays(pyarrow.array([0, 2000, 4000, 6000], pyarrow.int32()), flat)
    else:
        about = pyarrow.array(whole)
    path = write({"about": about}, store_schema=False, **({"compression": "zstd"} | options))
    del whole, about, words
    assert path.stat().st_size < 1_000_000
    pool = pyarrow.default_memory_pool()
    before = pool.bytes_allocated()
    tracemalloc.start()
    with pytest.raises(UserError, match=r"t\.parquet, row \d+: about has [\d,]{8,} characters, more than the 131,072"):
        values(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert pool.bytes_allocated() - before < 2**28


def test_long_texts_that_are_allowed_are_few_at_a_time(write):
    words = pyarrow.array(["x" * 10_000_000, "short"])
    numbers = pyarrow.array([0, 1] * 500, pyarrow.int32())
    path = write({"about": pyarrow.DictionaryArray.from_arrays(numbers, words)}, store_schema=False)
    table, count = open_table(path, longest=1 << 26), 0
    for block in table.blocks(["about"]):
        assert sum(map(len, block.columns[0])) <= 2 * 2**26
        count += len(block.columns[0])
    assert count == 1000


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pyarrow.array([{"a": 1}]), "the column about is of the type 'struct<a: int64>', which is no cell; give texts"),
        (pyarrow.array([[["a"]]]), "which is no cell"),
        (pyarrow.array([b"a" * 200_000], pyarrow.binary(200_000)), "longer than the 131,072 characters of a cell"),
    ],
)
def test_columns_that_hold_no_cells(write, column, says):
    with pytest.raises(UserError, match=says):
        values(write({"about": column}))


def test_lists_of_too_many_values(write, monkeypatch):
    monkeypatch.setattr(module, "_VALUES", 3)
    with pytest.raises(UserError, match="the lists of about have 4 values in one row group"):
        values(write({"about": [[1, 2, 3, 4]]}))


def test_ids_of_many_types_are_read_as_before(write):
    found = read(write({"user": [1.0, 2.0, None, 3.0], "item": [b"a", b"\xc3\xa9", b"c", b"a"]}))
    assert (found.user_tokens, found.item_tokens) == (["1", "2", "3"], ["a", "é", "c"])
