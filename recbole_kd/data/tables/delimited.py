"""Tables of text: CSV with commas, semicolons, tabs or bars, as the file itself tells."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from recbole_kd.data.tables.blocks import ROWS, Block
from recbole_kd.data.tables.text import Text
from recbole_kd.foundation.errors import UserError

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE = 100  # lines that tell the separator
CELL = 1 << 17  # characters of a cell, as Python's csv has it


class Delimited:
    """A table with a header.

    Attributes:
        names: of the columns.
        separator: one character.
    """

    def __init__(self, text: Text, longest: int = CELL) -> None:
        """Read the header.

        Args:
            text: of the table.
            longest: characters of a cell.

        Raises:
            UserError: there is no header, or nothing that separates its columns.
        """
        self._text, self._longest = text, longest
        with text.lines() as lines:
            sample = list(islice(lines, _SAMPLE))
        if not any(map(str.strip, sample)):
            raise UserError(f"{text.path} holds no rows; its first line names the columns, and rows follow")
        with self._long_cells():
            fits = {separator: _fit(sample, separator) for separator in _SEPARATORS}
        self.separator = max(fits, key=lambda separator: fits[separator])
        if fits[self.separator][1] < 2:
            raise UserError(
                f"{text.path}: its first line has a single column, {sample[0].strip()[:60]!r}; columns are separated "
                f"by {', '.join(_SEPARATORS.values())}"
            )
        with self._long_cells():
            header = next(row for row in csv.reader(sample, delimiter=self.separator) if row)
        self.names = [name.strip() for name in header]

    def blocks(self, wanted: Sequence[str]) -> Iterator[Block]:
        """The rows; all values are text.

        Raises:
            UserError: naming the first line that has more or fewer cells than the header, or an open quotation mark.
        """
        picked = [self.names.index(name) for name in wanted]
        with self._text.lines(bar=True) as lines:
            reader = csv.reader(lines, delimiter=self.separator, strict=True)
            begun, rows_before, header = 0, 0, True
            while rows := self._read(reader):
                place = self._places(begun, reader.line_num - begun == len(rows), rows_before)
                begun = reader.line_num
                rows_before += len(rows)
                if set(map(len, rows)) != {len(self.names)}:
                    kept = [row for row, cells in enumerate(rows) if cells]  # an empty line is no row
                    for row in kept:
                        self._check(place(row), len(rows[row]))
                    rows, place = [rows[row] for row in kept], _through(place, kept)
                if header and rows:
                    rows, place, header = rows[1:], _through(place, range(1, len(rows))), False
                if rows:
                    columns = list(zip(*rows, strict=True))
                    yield Block([columns[column] for column in picked], place)

    def _read(self, reader: Iterator[list[str]]) -> list[list[str]]:
        line = reader.line_num  # type: ignore[attr-defined]
        rows: list[list[str]] = []
        try:
            with self._long_cells():
                rows.extend(islice(reader, ROWS))  # keeps what was read before an error
        except csv.Error as error:
            place = f"{self._text.path}, line {line + len(rows) + 1}"
            if "field limit" in str(error) or "end of data" in str(error):
                why = (
                    f"a quotation mark opens a cell that does not end, or one of more than {self._longest:,} characters"
                )
            else:
                why = f"a quotation mark stands where none belongs ({error})"
            raise UserError(f'{place}: {why}; write the cell as "…" with each mark inside doubled') from None
        return rows

    @contextmanager
    def _long_cells(self) -> Iterator[None]:
        before = csv.field_size_limit(self._longest)
        try:
            yield
        finally:
            csv.field_size_limit(before)

    def _places(self, begun: int, a_line_each: bool, rows_before: int) -> Callable[[int], str]:
        """Rows are named by their line, or by their number where some span several lines."""
        if a_line_each:
            return lambda row: f"{self._text.path}, line {begun + row + 1}"
        return lambda row: f"{self._text.path}, row {rows_before + row} after the header"

    def _check(self, place: str, cells: int) -> None:
        if cells != len(self.names):
            raise UserError(
                f"{place}: it has {cells} cell{'s' * (cells != 1)}, and the header names {len(self.names)} columns; "
                f"put cells that hold {_SEPARATORS[self.separator]} into quotation marks, and leave none out"
            )


def _through(place: Callable[[int], str], kept: Sequence[int]) -> Callable[[int], str]:
    return lambda row: place(kept[row])


def _fit(sample: list[str], separator: str) -> tuple[float, int]:
    """The share of rows that have as many cells as the first one, 0 where that is a single one; and that number."""
    try:
        rows = [len(row) for row in csv.reader(sample, delimiter=separator) if row]
    except csv.Error:
        return 0.0, 0
    return (rows.count(rows[0]) / len(rows) if rows[0] > 1 else 0.0), rows[0]
