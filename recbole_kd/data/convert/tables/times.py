"""The times of a table as seconds since 1970 in UTC; no day is ever taken for a month."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from recbole_kd.data.convert.tables.values import MISSING, numbers
from recbole_kd.data.tables.blocks import Block
from recbole_kd.foundation.errors import UserError

UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_BOUNDS = {"s": 1e11, "ms": 1e14, "us": 1e17}  # 1e11 seconds are in the year 5138, as milliseconds in 1973
_NO_TIME = 1e20
_ISO = re.compile(r"\s*\d{4}-\d{1,2}-\d{1,2}")
_YEAR_FIRST = re.compile(r"^\s*(\d{4})[/.](\d{1,2})[/.](\d{1,2})")
_MONTH_NAMED = re.compile(
    r"(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*\b\d{4}\b|\b\d{4}\b.*[a-z]{3}"
)
_NUMBER = re.compile(r"\s*[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?\s*")
_NUMBERED = re.compile(r"\s*\d{1,2}([/.-])\d{1,2}\1(\d{4}|\d{2})(?:([ T])\d{1,2}:\d{2}(:\d{2})?)?\s*")


class Times:
    """Reads a column of times block by block; its first value says whether they are numbers or dates.

    Attributes:
        name: of the column.
        said: how the times were read, for the user; known when all blocks are.
    """

    def __init__(self, name: str, form: str = "") -> None:
        """Args:
        name: of the column.
        form: as ``strptime`` has it, or one of :data:`UNITS`; ``""`` to tell it from the values.
        """
        self.name, self.said = name, ""
        self._unit = form if form in UNITS else ""
        self._form = "" if form in UNITS else form
        self._numbers: bool | None = True if self._unit else False if form else None

    def read(self, block: Block, column: int) -> np.ndarray:
        """Times of a block, float64 (rows,), NaN where there is none: seconds of dates, numbers as they are.

        Raises:
            UserError: a value is no number or date, or one whose day and month cannot be told apart (row named).
        """
        values = block.columns[column]
        if self._numbers is None:
            first = next((row for row, value in enumerate(values) if not _missing(value)), None)
            if first is None:
                return np.full(len(values), np.nan)
            self._decide(block, first, values[first])
        return numbers(block, column, self.name) if self._numbers else self._dates(block, column)

    def seconds(self, path: Path, times: np.ndarray) -> np.ndarray:
        """What :meth:`read` gave, of all blocks together, as seconds.

        Args:
            path: of the table, for messages.
            times: float64 (rows,), without NaN.

        Raises:
            UserError: they are of several units, or look like dates without signs.
        """
        if not self._numbers or not len(times):
            self.said = "dates, in UTC where they name no zone"
            return times
        sizes = np.abs(times[times != 0])
        largest, smallest = (sizes.max(), sizes.min()) if len(sizes) else (0.0, 0.0)
        if largest >= _NO_TIME:
            raise UserError(f"{path}: the column {self.name} has {largest:g}, which is no time; name another column")
        unit = self._unit or _unit_of(largest)
        if not self._unit and _unit_of(smallest) != unit and unit != "s":
            raise UserError(
                f"{path}: the column {self.name} has times of several units, such as {smallest:.0f} and {largest:.0f}; "
                "write all as seconds, or say which they are with --time_format=s, ms, us or ns"
            )
        if not self._unit and _look_like_days(times):
            raise UserError(
                f"{path}: the column {self.name} has numbers such as {times[0]:.0f}, which look like days; say so with "
                "--time_format=%Y%m%d, or --time_format=s where they are seconds"
            )
        self.said = _NAMES[unit]
        return times / UNITS[unit]

    def _decide(self, block: Block, row: int, value: Any) -> None:
        text = str(value)
        self._numbers = isinstance(value, int | float) or bool(_NUMBER.fullmatch(text))
        if self._numbers or isinstance(value, date):
            return
        if _ISO.match(text) or _YEAR_FIRST.match(text):
            self._form = "ISO8601"
            return
        if _MONTH_NAMED.search(text):
            from pandas.tseries.api import guess_datetime_format  # type: ignore[attr-defined]

            self._form = guess_datetime_format(text) or ""
        if not self._form:
            told = (
                "whose day and month cannot be told apart"
                if re.search(r"\d[/.-]\d", text)
                else "which is no number or date"
            )
            block.refuse(row, self.name, value, f"{told}; {_advice(text)}")

    def _dates(self, block: Block, column: int) -> np.ndarray:
        import pandas as pd  # slow to import, and not for a command that is refused

        values = pd.Series([None if _missing(value) else value for value in block.columns[column]], dtype=object)
        if self._form == "ISO8601":
            values = values.map(lambda value: _YEAR_FIRST.sub(r"\1-\2-\3", value) if isinstance(value, str) else value)
        try:
            found = pd.to_datetime(values, format=self._form or None, utc=True, errors="coerce")
            seconds = found.astype("datetime64[ns, UTC]").astype(np.int64).to_numpy() / 1e9
        except (ValueError, TypeError, OverflowError) as error:
            raise UserError(
                f"time_format={self._form!r} is not valid: {error}; write it like %Y-%m-%d %H:%M:%S"
            ) from None
        wrong = np.flatnonzero((found.isna() & values.notna()).to_numpy())
        if len(wrong):
            form = "such a date as 2019-03-05 10:00:00" if self._form in ("", "ISO8601") else f"written as {self._form}"
            first = values.iloc[wrong[0]]
            block.refuse(int(wrong[0]), self.name, first, f"which is not {form}; {_advice(str(first))}")
        return np.where(found.isna().to_numpy(), np.nan, seconds)


def _advice(text: str) -> str:
    """How to say how dates are written, by one of them."""
    found = _NUMBERED.fullmatch(text)
    if found is None:
        return "say how dates are written with --time_format, such as --time_format=%d/%m/%Y"
    between, year, before_time, seconds = found.groups()
    year = "%Y" if len(year) == 4 else "%y"
    time = f"{before_time}%H:%M{':%S' * bool(seconds)}" if before_time else ""
    day, month = (f"--time_format='{between.join([*parts, year])}{time}'" for parts in (("%d", "%m"), ("%m", "%d")))
    return f"say how dates are written, {day} if the day comes first, {month} if the month does"


def _missing(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, str) and value.strip() in MISSING)


def _unit_of(size: float) -> str:
    return next((unit for unit, bound in _BOUNDS.items() if size < bound), "ns")


def _look_like_days(times: np.ndarray) -> bool:
    """Whether all numbers are written as 20190305 is."""
    if times.min() < 19000101 or times.max() > 21001231 or (times % 1).any():
        return False
    whole = times.astype(np.int64)
    months, days = whole // 100 % 100, whole % 100
    return bool(((months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)).all())
