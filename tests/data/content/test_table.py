import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.data.content.table import ItemTable, Row
from recbole_kd.foundation.errors import UserError


def rows(path, columns=("title",), id_column="id", **more):
    found = list(ItemTable(path, id_column, columns, **more).rows())
    assert all(row.place.startswith(f"{path}, ") for row in found)
    return [row._replace(place=row.place.removeprefix(f"{path}, ")) for row in found]


@pytest.fixture
def write(tmp_path):
    def written(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def test_columns_in_use_are_not_suggested(write):
    path = write("a.csv", "Artikelnr,Titel,Farbe\n1,a,b\n")
    with pytest.raises(UserError, match=r"no column 'Marke'; it has Artikelnr, Titel, Farbe(; did you mean Farbe\?)?$"):
        rows(path, ("Titel", "Marke"), "Artikelnr")
    with pytest.raises(UserError, match=r"no column 'Title'; it has Artikelnr, Titel, Farbe; did you mean Titel\?$"):
        rows(path, ("Title", "Farbe"), "Artikelnr")
    with pytest.raises(UserError, match=r"no column 'Title'; it has Artikelnr, Titel, Farbe$"):
        rows(path, ("Titel", "Title"), "Artikelnr")


class TestCsv:
    def test_rows_with_their_lines(self, write):
        path = write("a.csv", 'title,id,x\n"two\nlines, ""quoted""",7,1\n\nplain,8,2\n')
        first = Row("row 1 after the header", "7", ('two\nlines, "quoted"',))
        assert rows(path) == [first, Row("row 3 after the header", "8", ("plain",))]

    def test_tabs_windows_and_a_byte_order_mark(self, write):
        assert rows(write("a.tsv", b"\xef\xbb\xbfid\ttitle\r\n7\ta,b\r\n")) == [Row("line 2", "7", ("a,b",))]

    def test_a_text_of_a_million_characters(self, write):
        limit = csv.field_size_limit()
        assert len(rows(write("a.csv", f"id,title\n1,{'x ' * 500_000}\n"))[0].values[0]) == 1_000_000
        assert csv.field_size_limit() == limit

    def test_several_columns_in_the_order_asked_for(self, write):
        assert rows(write("a.csv", "id,b,a\n1,B,A\n"), ("a", "b"))[0].values == ("A", "B")

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("", "is an empty file"),
            ("id,titel\n1,a\n", "has no column 'title'; it has id, titel; did you mean titel"),
            ("id,title,title\n1,a,b\n", "has 2 columns called 'title'"),
            ("id,title\n1,a\n2,b,c\n", "line 3: it has 3 cells, and the header names 2"),
            ('id,title\n1,a\n2,"open\n3,c\n', "line 3: a quotation mark opens a cell that does not end"),
            ('id,title\n1,"a"b\n', "line 2: "),
            (b"id,title\n1,a\n2,caf\xe9\n", "line 3: it is not in the encoding utf-8.*--encoding"),
        ],
    )
    def test_what_is_wrong_with_it(self, write, content, says):
        with pytest.raises(UserError, match=says):
            rows(write("a.csv", content))

    def test_an_encoding_of_its_own(self, write):
        path = write("a.csv", b"id,title\n1,caf\xe9\n")
        assert rows(path, encoding="latin-1")[0].values == ("café",)
        with pytest.raises(UserError, match="no encoding that Python knows"):
            rows(path, encoding="latin-one")

    @given(
        table=st.lists(
            st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)] * 2), min_size=1
        )
    )
    def test_what_python_writes_is_read_back(self, tmp_path_factory, table):
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("id", "title"), *table])
        path = tmp_path_factory.mktemp("table") / "a.csv"
        path.write_bytes(text.getvalue().encode())
        assert [(row.id, row.values[0]) for row in rows(path)] == table


class TestJsonLines:
    def test_values_become_texts(self, write):
        lines = [{"id": 7, "title": ["a", "b", None]}, {"id": "8"}, {"id": 9.0, "title": None}, {"id": 1, "title": 1.5}]
        path = write("a.jsonl", "\n".join(map(json.dumps, lines)) + "\n\n")
        assert [(row.id, *row.values) for row in rows(path)] == [("7", "a, b"), ("8", ""), ("9", ""), ("1", "1.5")]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("", "is an empty file"),
            ('{"id": 1, "titel": "a"}', "has no column 'title'.*did you mean titel"),
            ('{"id": 1, "title": "a"}\n{"id": ', "line 2: it is no JSON"),
            ("[1]", "is one JSON list"),
            ('{"id": {"a": 1}, "title": "a"}', "line 1: id is .*, which is no id but of type dict"),
            (
                '{"id": true, "title": "a"}',
                "line 1: id is 'True', which is no id but of type bool; write a text or a whole number",
            ),
            ('{"id": 1, "title": ' + "[" * 100_000, "line 1: it is no JSON"),
        ],
    )
    def test_what_is_wrong_with_it(self, write, content, says):
        with pytest.raises(UserError, match=says):
            rows(write("a.jsonl", content))


class TestParquet:
    @pytest.fixture
    def parquet(self):
        return pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (recbole-kd[content])")

    def test_rows(self, parquet, tmp_path):
        import pyarrow

        table = pyarrow.table({"id": [7, None, 9], "title": ["a", "b", None], "tags": [["x", "y"], [], None]})
        parquet.write_table(table, tmp_path / "a.parquet")
        found = rows(tmp_path / "a.parquet", ("title", "tags"))
        assert found == [Row("row 1", "7", ("a", "x, y")), Row("row 2", "", ("b", "")), Row("row 3", "9", ("", ""))]
        with pytest.raises(UserError, match="has no column 'name'"):
            rows(tmp_path / "a.parquet", ("name",))

    def test_what_is_cut_short(self, parquet, tmp_path, write):
        with pytest.raises(UserError, match="no sound Parquet file"):
            rows(write("a.parquet", b"PAR1 nothing"))


def test_a_file_that_is_no_table(tmp_path, write):
    with pytest.raises(UserError, match="does not exist"):
        rows(tmp_path / "gone.csv")
    with pytest.raises(UserError, match="is a workbook"):
        rows(write("a.csv", b"PK\x03\x04"))


def test_the_column_of_ids_is_told_by_its_name(write):
    path = write("a.csv", "SKU;title\n7;a, b\n")
    assert rows(path, id_column="") == [Row("line 2", "7", ("a, b",))]
    with pytest.raises(UserError, match="2 columns that may be the item, sku, asin; say which it is with --id=COLUMN"):
        rows(write("b.csv", "sku,asin,title\n1,2,a\n"), id_column="")
