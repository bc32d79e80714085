"""The rows of an atomic file as a table with the values that RecBole reads, checked field by field."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recbole_kd.atomic.header import Column, read_header
from recbole_kd.atomic.numbered import looks_whole, with_tokens
from recbole_kd.atomic.text import Lines, read_text, split_lines
from recbole_kd.foundation.errors import UserError

# What a number's field may hold where there is none: what pandas, and so RecBole, reads as missing.
_MISSING = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"]
_MISSING += ["<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
_DATE = re.compile(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_SHOWN = 40  # characters of a value that a message shows


class Layout(NamedTuple):
    """How the files of a data set are written.

    Attributes:
        separator: between fields, one character.
        sequence_separator: between the parts of a sequence.
        encoding: of the text.
        ids: columns that hold an id in every row.
        time: the column of times.
        time_format: how they are written, as ``strptime`` has it; None for seconds.
    """

    separator: str = "\t"
    sequence_separator: str = " "
    encoding: str = "utf-8"
    ids: frozenset[str] = frozenset()
    time: str | None = None
    time_format: str | None = None


class AtomicFile:
    """One file: its columns are known at once, its rows when they are asked for."""

    def __init__(self, path: Path, layout: Layout) -> None:
        """Read the header.

        Raises:
            UserError: the file cannot be read, is no UTF-8 text, or has no header.
        """
        if len(layout.separator) != 1 or layout.separator in '\r\n"':
            raise UserError(f"field_separator={layout.separator!r} is not valid: it is one character, such as \\t")
        self.path, self._layout = path, layout
        self._raw = read_text(path, layout.encoding)
        self.columns = read_header(path, self._raw, layout.separator)

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    def read(self, wanted: Collection[str] | None = None) -> pd.DataFrame:
        """The rows.

        Args:
            wanted: names of columns, None for all.

        Returns:
            By column name, in the order of the file: tokens as str, NaN where a column that is no id has none; numbers
            as float64, NaN where there is none; sequences as arrays, empty where there is none.

        Raises:
            UserError: naming file, line and column of the first value that cannot be what its column says.
        """
        head = self._raw.split(b"\n", 1)[0]
        again = self._raw.find(b"\n" + head + b"\n")
        if again >= 0:
            line = self._raw[: again + 1].count(b"\n") + 1
            raise UserError(f"{self.path}, line {line}: the header is there again; were two files joined? Remove it")
        lines = split_lines(self.path, self._raw, self._layout.separator, len(self.columns))
        columns = [column for column in self.columns if wanted is None or column.name in wanted]
        table = self._table(lines, columns)
        for column in columns:
            read = table[column.name]
            values: Any = self._values(lines, column, read)
            if values is not read:
                table[column.name] = values
        return table

    def _table(self, lines: Lines, columns: Sequence[Column]) -> pd.DataFrame:
        kinds: dict[str, type | None] = {
            column.name: np.float64 if self._is_number(column) else str for column in columns
        }
        whole = [column.name for column in columns if column.kind == "token"]
        if whole and looks_whole(lines):
            # pandas is to find out: told to read whole numbers it would take the id 1.0 for 1
            with suppress(ValueError, OverflowError), warnings.catch_warnings(), np.errstate(invalid="ignore"):
                warnings.simplefilter("ignore", pd.errors.DtypeWarning)
                table = self._parse(lines, kinds | dict.fromkeys(whole))
                if all(table[name].dtype == np.int64 for name in whole):
                    return with_tokens(table, whole)
        try:
            return self._parse(lines, kinds)
        except ValueError:
            if np.float64 not in kinds.values():
                raise
        text = self._parse(lines, dict.fromkeys(kinds, str))
        for column in columns:
            if self._is_number(column):
                text[column.name] = self._numbers(lines, column, text[column.name])
        return text

    def _parse(self, lines: Lines, kinds: Mapping[str, Any]) -> pd.DataFrame:
        """Let pandas read, and find out the type where it is None.

        Only fields of numbers may be missing to it, since NA and null are good names of items.
        """
        table: pd.DataFrame = pd.read_csv(
            io.BytesIO(lines.raw),
            delimiter=lines.separator,
            header=None,
            skiprows=1,
            names=self.names,
            usecols=list(kinds),
            dtype={name: kind for name, kind in kinds.items() if kind is not None},
            na_values={name: _MISSING for name, kind in kinds.items() if kind is np.float64},
            keep_default_na=False,
            float_precision="round_trip",
            quoting=csv.QUOTE_MINIMAL if b'"' in lines.raw else csv.QUOTE_NONE,
            index_col=False,
            engine="c",
        )
        return table

    def _is_number(self, column: Column) -> bool:
        is_date = column.name == self._layout.time and self._layout.time_format is not None
        return column.kind == "float" and not is_date

    def _values(self, lines: Lines, column: Column, values: pd.Series) -> pd.Series | list[np.ndarray]:
        if column.kind == "token":
            return self._tokens(lines, column, values)
        if column.kind == "token_seq":
            between = self._layout.sequence_separator
            return [np.array(list(filter(None, text.split(between)))) for text in values]
        if column.kind == "float_seq":
            return self._number_lists(lines, column, values)
        if not self._is_number(column):
            values = self._times(lines, column, values)
        endless = np.flatnonzero(np.isinf(values.to_numpy()))
        if len(endless):
            self._refuse(lines, int(endless[0]), column, "inf", "which is no finite number")
        return values

    def _tokens(self, lines: Lines, column: Column, values: pd.Series) -> pd.Series:
        if not lines.gaps:
            return values
        empty = (values == "").to_numpy()
        if not empty.any():
            return values
        if column.name in self._layout.ids:
            line = lines.line_of(int(np.argmax(empty)))
            raise UserError(f"{self.path}, line {line}: {column.name} is empty; give the id, or remove the line")
        return values.where(~empty, np.nan)

    def _numbers(self, lines: Lines, column: Column, values: pd.Series) -> pd.Series:
        """Numbers of a column that pandas could not read as such: it holds something else."""
        missing = values.isin(_MISSING)
        numbers = pd.to_numeric(values.where(~missing, "nan"), errors="coerce").astype(np.float64)
        wrong = np.flatnonzero(numbers.isna().to_numpy() & ~missing.to_numpy())
        if len(wrong):
            text = str(values.iloc[wrong[0]])
            what = "which is no number; leave the field empty where there is none"
            if column.name == self._layout.time and _DATE.match(text):
                what = "a date where seconds are due; say how it is written with --time_format, such as %Y-%m-%d"
            self._refuse(lines, int(wrong[0]), column, text, what)
        return numbers

    def _times(self, lines: Lines, column: Column, values: pd.Series) -> pd.Series:
        """Seconds since 1970 UTC of dates."""
        form = self._layout.time_format
        try:
            times = pd.to_datetime(values.where(values != "", np.nan), format=form, utc=True, errors="coerce")
        except (ValueError, TypeError) as error:
            raise UserError(f"time_format={form!r} is not valid: {error}; write it like %Y-%m-%d %H:%M:%S") from None
        wrong = np.flatnonzero((times.isna() & (values != "")).to_numpy())
        if len(wrong):
            self._refuse(lines, int(wrong[0]), column, str(values.iloc[wrong[0]]), f"which is not written as {form}")
        seconds = pd.Series(times.astype("datetime64[ns, UTC]").astype(np.int64) / 1e9)
        return seconds.where(times.notna(), np.nan)

    def _number_lists(self, lines: Lines, column: Column, values: pd.Series) -> list[np.ndarray]:
        between, found = self._layout.sequence_separator, []
        for row, text in enumerate(values):
            try:
                found.append(np.array(list(map(float, filter(None, text.split(between))))))
            except ValueError:
                self._refuse(lines, row, column, text, "which is no list of numbers")
            if not np.isfinite(found[-1]).all():
                self._refuse(lines, row, column, text, "whose numbers are not all finite")
        return found

    def _refuse(self, lines: Lines, row: int, column: Column, value: str, what: str) -> None:
        shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
        raise UserError(f"{self.path}, line {lines.line_of(row)}: {column.name} is {shown!r}, {what}")
