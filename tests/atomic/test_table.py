"""Atomic files: the values that pandas' own reader gives RecBole, and a sentence for each thing people do to them."""

import io
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.atomic.table import AtomicFile, Layout
from recbole_kd.foundation.errors import UserError

HEAD = "user_id:token\titem_id:token\tprice:float\n"
LAYOUT = Layout(ids=frozenset({"user_id", "item_id"}), time="timestamp")


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes):
        path = tmp_path / "a.inter"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, **changes) -> pd.DataFrame:
    return AtomicFile(path, LAYOUT._replace(**changes)).read()


FAULTS = {
    "nothing": ("", r"a\.inter is empty"),
    "blanks": ("\n \n", r"a\.inter is empty"),
    "no types": ("user_id\titem_id\nu\ti\n", "names 'user_id' without a type; .*user_id:token"),
    "no header": ("196\t242\t3\nu\ti\t3\n", "no header, its first line begins with '196'"),
    "no header, ids with letters": ("u1\ti3\nu2\ti3\n", "no header, its first line begins with 'u1'"),
    "unknown type": ("user_id:int\titem_id:token\n", "'user_id' has the type 'int'; the types are token"),
    "misspelt type": ("user_id:tokens\titem_id:token\n", r"the types are .*did you mean token"),
    "a column twice": ("user_id:token\tuser_id:token\nu\ti\n", "names the column 'user_id' twice"),
    "no name": (":token\titem_id:token\n", "a column is one name and one type"),
    "two separators": ("user_id:token\titem_id:token price:float\nu\ti 3\n", "a column is one name and one type"),
    "spaces": (HEAD.replace("\t", " ") + "u i 3\n", "separated by spaces, not by tabs; give --field_separator=' '"),
    "commas": (HEAD.replace("\t", ",") + "u,i,3\n", "separated by commas, not by tabs; give --field_separator=','"),
    "commas and no types": ("user,item\nu,i\n", "separated by commas"),
    "not UTF-8": ("user_id:token\titem_id:token\nu\t电影\n".encode("gbk"), r"line 2: byte 0xb5 is not UTF-8.*gbk"),
    "UTF-16": (HEAD.encode("utf-16"), "is in the encoding UTF-16; save it as UTF-8, or give --encoding=utf-16"),
    "NUL": (HEAD + "u\ti\0\t3\n", "line 2: there is a NUL byte"),
    "carriage returns": (HEAD.replace("\n", "\r") + "u\ti\t3\r", "line 1: there is a carriage return"),
    "a field too many": (HEAD + "u\ti\t3\nu\tj\t3\tx\n", "line 3: 4 fields, and the header has 3"),
    "a field too few": (HEAD + "u\ti\t3\n\nu\tj\n", "line 4: 2 fields, and the header has 3"),
    "two files joined": (HEAD + "u\ti\t3\n" + HEAD + "u\tj\t3\n", "line 3: the header is there again"),
    "an open quotation mark": (HEAD + 'u\t"i\t3\n', "line 2: a field begins with a quotation mark"),
    "text after a quotation": (HEAD + 'u\t"i" j\t3\n', "line 2: a field begins with a quotation mark"),
    "a dash for a number": (HEAD + "u\ti\t3\n\nu\tj\t-\n", "line 4: price is '-', which is no number"),
    "a decimal comma": (HEAD + "u\ti\t3,5\n", "line 2: price is '3,5', which is no number"),
    "infinity": (HEAD + "u\ti\t3\nu\ti\tinf\n", "line 3: price is 'inf', which is no finite number"),
    "an empty id": (HEAD + "u\ti\t3\nu\t\t3\n", "line 3: item_id is empty"),
    "no list of numbers": ("item_id:token\tv:float_seq\ni\t1 2\nj\t1 x\n", "line 3: v is '1 x', which is no list"),
    "endless numbers": ("item_id:token\tv:float_seq\ni\t1 inf\n", "whose numbers are not all finite"),
    "a date": ("timestamp:float\titem_id:token\n2024-03-01\ti\n", "timestamp is '2024-03-01', a date.*--time_format"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place(write, name):
    content, sentence = FAULTS[name]
    with pytest.raises(UserError, match=sentence) as caught:
        read(write(content))
    assert "\n" not in str(caught.value)
    assert "a.inter" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"a\.inter does not exist"):
        read(tmp_path / "a.inter")
    with pytest.raises(UserError, match="cannot read"):
        read(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEAD.encode() + b"u\ti\t3\n",
        HEAD.replace("\n", "\r\n").encode() + b"u\ti\t3\r\n\r\n",
        HEAD.encode() + b"\nu\ti\t3",
        HEAD.encode() + b'"u"\ti\t3\n',
    ],
    ids=["byte order mark", "Windows", "no last line end", "quoted"],
)
def test_what_editors_leave_in_files_is_read(write, content):
    table = read(write(content))
    assert table.values.tolist() == [["u", "i", 3.0]]


def test_names_that_pandas_takes_for_missing_are_names(write):
    ids = ["NA", "null", "None", "nan", "N/A", "1.0", "007", "-"]
    table = read(write(HEAD + "".join(f"u\t{name}\t1\n" for name in ids)))
    assert table["item_id"].tolist() == ids


def test_a_number_may_be_missing_and_a_token_that_is_no_id_too(write):
    table = read(write("item_id:token\tyear:token\tprice:float\ni\t\t\nj\t1995\tNaN\nk\tNA\t2\n"))
    assert table["year"].isna().tolist() == [True, False, False]
    assert table["year"].tolist()[1:] == ["1995", "NA"]
    assert table["price"].isna().tolist() == [True, True, False]


def test_other_separators_and_encodings_as_the_keys_say(write):
    content = "user_id:token;item_id:token;v:float_seq\nu;电影;1|2.5\nv;b;\n"
    table = read(write(content.encode("gbk")), separator=";", sequence_separator="|", encoding="gbk")
    assert table["item_id"].tolist() == ["电影", "b"]
    assert [values.tolist() for values in table["v"]] == [[1.0, 2.5], []]
    with pytest.raises(UserError, match="line 2: this is not in the encoding ascii"):
        read(write(content), separator=";", encoding="ascii")
    with pytest.raises(UserError, match="encoding='utf8x' is no encoding"):
        read(write(content), encoding="utf8x")
    with pytest.raises(UserError, match="encoding='rot13' is no encoding"):
        read(write(content), encoding="rot13")
    with pytest.raises(UserError, match="field_separator='::' is not valid"):
        read(write(content), separator="::")


def test_dates_become_seconds(write):
    path = write("timestamp:float\titem_id:token\n2024-03-01 12:00\ti\n\n\tj\n1970-01-01 00:01\tk\n")
    times = read(path, time_format="%Y-%m-%d %H:%M")["timestamp"]
    assert times.tolist()[::2] == [1709294400.0, 60.0]
    assert np.isnan(times[1])
    with pytest.raises(UserError, match=r"line 2: timestamp is '2024-03-01 12:00', which is not written as %d\.%m\.%Y"):
        read(path, time_format="%d.%m.%Y")
    with pytest.raises(UserError, match="time_format='%Q' is not valid"):
        read(path, time_format="%Q")


def test_a_line_is_numbered_over_many_blocks_and_blank_lines(write, monkeypatch):
    monkeypatch.setattr("recbole_kd.atomic.text._BLOCK", 16)
    rows = [f"u{n}\ti{n}\t{n}" + "\n" * (1 + n % 3) for n in range(50)]
    broken = "".join(rows[:40]) + "u\ti\tx\n" + "".join(rows[40:])
    line = HEAD.count("\n") + "".join(rows[:40]).count("\n") + 1
    assert len(read(write(HEAD + "".join(rows)))) == 50
    with pytest.raises(UserError, match=f"line {line}: price is 'x'"):
        read(write(HEAD + broken))


@pytest.mark.parametrize("other", ["", "007", "+7", "-7", " 7", "7 ", "1.0", "1e3", "x", "9" * 30, "NA", '"7"'])
def test_ids_that_are_numbers_stay_as_they_are_written(write, other):
    ids = ["12", "0", "12", "9223372036854775807"]
    rows = [f"{name}\t3\t1.5\n" for name in ids] + [f"{other}\t4\t2\n"] * bool(other)
    table = read(write(HEAD + "".join(rows)))
    assert table["user_id"].tolist() == ids + [other.strip('"')] * bool(other)
    assert table["item_id"].tolist()[:4] == ["3"] * 4
    assert table["price"].tolist()[:4] == [1.5] * 4


@pytest.mark.parametrize("other", ["1.0", "0.", "12.", "1e3", "1E0"])
def test_ids_that_only_look_like_whole_numbers_stay_too(write, other):
    """Told to read whole numbers, pandas takes 1.0 for 1 where all ids are small."""
    table = read(write(HEAD + f"12\t3\t1.5\n{other}\t4\t2\n7\t{other}\t2\n"))
    assert table["user_id"].tolist() == ["12", other, "7"]
    assert table["item_id"].tolist() == ["3", "4", other]


TOKENS = st.text(st.characters(codec="utf-8", exclude_characters='\t\n\r"\0', exclude_categories=["Cs"]), max_size=4)
TOKENS |= st.from_regex(r"[+-]?[0-9]{1,3} ?", fullmatch=True)
NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**9), 10**9), st.just(""))


@given(rows=st.lists(st.tuples(TOKENS.filter(str.strip), TOKENS, NUMBERS), min_size=1, max_size=8))
def test_values_are_those_of_pandas_own_reader(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("same") / "a.inter"
    text = "item_id:token\tb:token_seq\tc:float\n" + "".join(f"{a}\t{b}\t{c}\n" for a, b, c in rows)
    path.write_text(text, encoding="utf-8", newline="")
    mine = AtomicFile(path, Layout(ids=frozenset({"item_id"}))).read()
    theirs = pd.read_csv(io.StringIO(text), sep="\t", dtype=str, keep_default_na=False, engine="python", quoting=3)
    assert mine["item_id"].tolist() == theirs.iloc[:, 0].tolist()
    assert [list(values) for values in mine["b"]] == [list(filter(None, b.split(" "))) for b in theirs.iloc[:, 1]]
    numbers = [float(c) if c else np.nan for c in theirs.iloc[:, 2]]
    np.testing.assert_array_equal(mine["c"].to_numpy(), numbers)


@given(content=st.binary(max_size=80), headed=st.booleans())
def test_any_bytes_are_read_or_refused_in_a_sentence(content, headed, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "a.inter"
    path.write_bytes(HEAD.encode() * headed + content)
    with suppress(UserError):  # anything else is a fault of ours
        table = read(path)
        assert len(table) >= 0
        assert not any(":" in name for name in table)
