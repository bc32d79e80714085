from pathlib import Path

import pytest

from recbole_kd.data.content.report import Report
from recbole_kd.data.content.table import Row
from recbole_kd.data.content.texts import joined_columns, texts_of
from recbole_kd.foundation.errors import UserError


def read(*pairs: tuple[str, ...]) -> tuple[dict[str, str], Report]:
    report = Report()
    rows = [Row(f"line {number}", token, tuple(values)) for number, (token, *values) in enumerate(pairs, start=2)]
    return texts_of(rows, Path("a.csv"), report), report


def test_columns_are_joined_where_they_are_not_blank():
    assert joined_columns([" a ", "", " \n", "<b>b</b>"]) == "a. <b>b</b>"
    assert joined_columns(["half \ud800 a pair"]) == "half ? a pair"


def test_what_becomes_no_text_is_counted():
    found, report = read(("1", "a"), ("", "x"), ("2", " "), ("1", "a"), ("1", "b"), ("3", ""), ("3", "c"), ("4", "d"))
    assert found == {"1": "a", "3": "c", "4": "d"}
    assert list(report.lines()) == [
        "1 rows without an id, left out (first: line 3)",
        "1 rows that say the same of an item again, read once (first: 1)",
        "1 rows that say another text of an item, of which the first counts (first: 1)",
        "1 items with an empty text, which get no row (first: 2)",
    ]


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([], "a header and no rows"),
        ([("1", ""), ("2", "  ")], "no item has a text in these columns"),
        ([("a\nb", "x")], r"line 2: the id is 'a\\nb', with a line break in it, which RecBole's files cannot hold"),
        ([("\ud800", "x")], "half a character"),
        ([("a\tb", "x")], "with a tab in it"),
        ([("[PAD]", "x")], r"line 2: the id is '\[PAD\]', which is RecBole's name for no item"),
        ([("x" * 501, "x")], "of 501 characters, which is no id"),
    ],
)
def test_what_is_refused(pairs, says):
    with pytest.raises(UserError, match=says):
        read(*pairs)


def test_a_report_names_the_first_few_shortly():
    report = Report()
    report.add_all("long ones", ["x" * 500, "\x1b[31m", "c", "d"])
    (line,) = report.lines()
    assert line.startswith("4 long ones (first: xxx")
    assert line.endswith("c …)")
    assert "\x1b" not in line
    assert len(line) < 200
