from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.data.convert.tables.times import UNITS, Times
from recbole_kd.data.tables.blocks import Block
from recbole_kd.foundation.errors import UserError

MARCH = 1551780000.0  # 2019-03-05 10:00 UTC


def seconds(values: list, form: str = "") -> tuple[list[float], str]:
    times = Times("at", form)
    read = times.read(Block([values], lambda row: f"t.csv, line {row + 2}"), 0)
    return times.seconds(Path("t.csv"), read[~np.isnan(read)]).tolist(), times.said


@pytest.mark.parametrize(
    "text",
    [
        "2019-03-05 10:00",
        "2019-03-05T10:00:00Z",
        "2019-03-05T12:00:00+02:00",
        "2019-3-5 10:00:00.000",
        "2019/03/05 10:00:00",
        "2019.3.5 10:00",
        "5 Mar 2019 10:00",
        "5 March 2019 10:00",
        "Mar 5, 2019 10:00",
        "Tue, 05 Mar 2019 10:00:00 GMT",
        datetime(2019, 3, 5, 10),
        datetime(2019, 3, 5, 10, tzinfo=UTC),
    ],
)
def test_dates_that_can_only_be_read_one_way(text):
    assert seconds([text]) == ([MARCH], "dates, in UTC where they name no zone")


@pytest.mark.parametrize("text", ["03/04/2019", "25/12/2019", "12-25-2019", "1.2.19"])
def test_a_day_is_never_taken_for_a_month(text):
    with pytest.raises(UserError, match=r"line 3: at is .*cannot be told apart; .*--time_format='%d[/.-]%m[/.-]%[yY]'"):
        seconds(["", text])


@pytest.mark.parametrize(
    ("values", "form", "message"),
    [
        (["yesterday"], "", "line 2: at is 'yesterday', which is no number or date"),
        (["2019-03-05", "soon"], "", "line 3: at is 'soon', which is not such a date as 2019-03-05"),
        (["5 Mar 2019", "2019-03-05"], "", "line 3: at is '2019-03-05', which is not written as %d %b %Y"),
        (["1", "2019-03-05"], "", "line 3: at is '2019-03-05', which is no finite number"),
        (["9999-12-31"], "", "line 2: at is '9999-12-31'"),
        (["2019-02-30"], "", "line 2: at is '2019-02-30'"),
        (["12/31/2019"], "%d/%m/%Y", "line 2: .* which is not written as %d/%m/%Y"),
        (["2019"], "%Q", "time_format='%Q' is not valid"),
        (["1e30"], "s", "t.csv: the column at has 1e\\+30, which is no time"),
        ([True], "", "at is 'True', which is no finite number"),
        (["1551780000", "1551780000000"], "", "t.csv: the column at has times of several units"),
        (["20190305", "20191231"], "", "look like days; say so with --time_format=%Y%m%d"),
    ],
)
def test_refusals(values, form, message):
    with pytest.raises(UserError, match=message):
        seconds(values, form)


def test_a_format_is_taken_at_its_word():
    assert seconds(["05/03/2019 10:00"], "%d/%m/%Y %H:%M")[0] == [MARCH]
    assert seconds(["20190305"], "%Y%m%d")[0] == [MARCH - 36000]
    assert seconds(["20190305"], "s") == ([20190305.0], "seconds")


@given(moment=st.integers(946684800, 4102444800), unit=st.sampled_from(sorted(UNITS)))
def test_units_are_told_by_their_size(moment, unit):
    found, said = seconds([str(moment * int(UNITS[unit]))])
    assert found == [moment]
    assert said == {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}[unit]


@given(moment=st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1)))
def test_iso_dates_of_any_moment(moment):
    (found,), _ = seconds([moment.isoformat(sep=" ")])
    assert found == pytest.approx(moment.replace(tzinfo=UTC).timestamp(), abs=1e-5)


def test_positions_are_times_too():
    assert seconds(["0", "1", "33", ""]) == ([0, 1, 33], "seconds")
