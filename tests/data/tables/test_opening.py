from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kd.data.tables import blocks, delimited, json_lines
from recbole_kd.data.tables.opening import open_table
from recbole_kd.foundation.errors import UserError


def rows(path: Path, encoding: str = "") -> list[tuple]:
    table = open_table(path, encoding)
    return [row for block in table.blocks(table.names) for row in zip(*block.columns, strict=True)]


@pytest.fixture
def file(tmp_path):
    def write(content: bytes | str, name: str = "t.csv") -> Path:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    return write


class TestKinds:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("packed", [False, True])
    def test_text(self, file, separator, end, packed):
        lines = [("user", "item"), ("a", '"b, c; d"'), ("", "é"), ('"say ""hi"""', "x")]
        raw = end.join(separator.join(line) for line in lines).encode()
        path = file(gzip.compress(raw, mtime=0) if packed else raw)
        assert open_table(path).names == ["user", "item"]
        assert rows(path) == [("a", "b, c; d"), ("", "é"), ('say "hi"', "x")]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
    def test_a_byte_order_mark_names_the_encoding(self, file, encoding):
        assert rows(file("user,item\né,b\n".encode(encoding))) == [("é", "b")]

    def test_an_encoding_that_is_given(self, file):
        assert rows(file("user,item\né,b\n".encode("cp1252")), "cp1252") == [("é", "b")]

    def test_json_lines(self, file):
        path = file('{"user": "a", "item": 7}\n\n{"item": null, "n": 1.5}\n', "t.jsonl")
        assert open_table(path).names == ["user", "item", "n"]
        assert rows(path) == [("a", 7, None), (None, None, 1.5)]

    def test_empty_lines_are_no_rows(self, file):
        assert rows(file("\nuser,item\n\na,b\n\n")) == [("a", "b")]

    def test_parquet(self, tmp_path):
        pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({"user": [1, None], "item": ["00012", "b"]}), tmp_path / "t.parquet")
        assert rows(tmp_path / "t.parquet") == [(1, "00012"), (None, "b")]
        raw = (tmp_path / "t.parquet").read_bytes()
        (tmp_path / "cut.parquet").write_bytes(raw[:-9])
        with pytest.raises(UserError, match="cut short or no sound Parquet file"):
            open_table(tmp_path / "cut.parquet")

    def test_parquet_without_pyarrow(self, file, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
        with pytest.raises(UserError, match=r"pip install 'recbole-kd\[content\]'"):
            open_table(file(b"PAR1" * 9))


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "is an empty file"),
            ("\n \n", "holds no rows"),
            ("user\na\n", "single column, 'user'"),
            ("user,item\na,b\na,b,c\n", "line 3: it has 3 cells, and the header names 2 columns"),
            ("user,item\n\na\n", "line 3: it has 1 cell, and"),
            ('user,item\na,b\n"a,c\nd,e\n', "line 3: a quotation mark opens a cell that does not end"),
            ('user,item\n"a"x,c\n', "line 2: a quotation mark stands where none belongs"),
            (b"user,item\na,b\n\xe9,c\n", "line 3: it is not in the encoding utf-8; .*--encoding=cp1252"),
            ("user,item\na,b\n".encode("utf-16-le"), "--encoding=utf-16-le"),
            (gzip.compress(b"user,item\n" * 99, mtime=0)[:-9], "cut short or no sound gzip file"),
            (b"PK\x03\x04", "a workbook or a zip file"),
            (b"\x80\x04\x95", "a pickle, which is not opened"),
            ('[{"user": 1}]', "one JSON list; write JSON lines"),
            ('{"user": 1}\n{"user"\n', "line 2: it is no JSON"),
            ('{"user": 1}\n2\n', "line 2: it is no JSON object"),
            ('{"user": ' + "[" * 100_000, "line 1: it is no JSON"),
            ("user,item\na," + "x" * (1 << 20) + "\n", "line 2: it is longer than 1,048,576 characters"),
        ],
    )
    def test_files(self, file, content, message):
        with pytest.raises(UserError, match=message):
            rows(file(content))

    def test_no_file(self, tmp_path):
        (tmp_path / "a.csv").touch()
        with pytest.raises(UserError, match=r"is a folder; give the file of the table, of a\.csv"):
            open_table(tmp_path)
        with pytest.raises(UserError, match="does not exist"):
            open_table(tmp_path / "b.csv")

    @pytest.mark.parametrize("encoding", ["utf-9", "rot13", "base64", "idna", "undefined"])
    def test_an_encoding_that_is_none(self, file, encoding):
        with pytest.raises(UserError, match="no encoding that Python knows"):
            open_table(file("user,item\n"), encoding)

    @given(content=st.binary(max_size=200) | st.text(alphabet='a,;|\t"\n\r{}[]:1', max_size=60).map(str.encode))
    @settings(max_examples=200)
    def test_any_bytes_are_rows_or_a_sentence(self, tmp_path_factory, content):
        path = tmp_path_factory.mktemp("any") / "t"
        path.write_bytes(content)
        try:
            found = rows(path)
        except UserError as error:
            said = str(error)
        else:
            said = f"{path} has {len(found)} rows"
        assert said.count(str(path)) >= 1


class TestBlocks:
    """Rows and their places do not depend on where blocks end."""

    @pytest.fixture(autouse=True, params=[1, 2, 3])
    def small(self, request, monkeypatch):
        for module in (blocks, delimited, json_lines):
            monkeypatch.setattr(module, "ROWS", request.param)

    def test_lines_are_named_through_empty_ones(self, file):
        path = file("\nuser,item\n\na,b\nc,d\n\n\ne,f\n")
        places = [
            block.place(row) for block in open_table(path).blocks(["item"]) for row in range(len(block.columns[0]))
        ]
        assert places == [f"{path}, line {line}" for line in (4, 5, 8)]

    def test_json_lines(self, file):
        path = file("".join(json.dumps({"user": number, "item": 1}) + "\n" for number in range(5)))
        assert rows(path) == [(number, 1) for number in range(5)]
