"""The texts of a table's rows, a row an item."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recbole_kd.data.tables.columns import column
from recbole_kd.data.tables.ids import id_text, no_id
from recbole_kd.data.tables.opening import open_table
from recbole_kd.foundation.errors import UserError

_LONGEST = 1 << 26  # characters of a cell, and of a line: a text may be a book


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        place: where it is, for messages, such as ``items.csv, line 7``.
        id: the item's, "" where there is none.
        values: of the columns asked for, in their order, "" where there is none.
    """

    place: str
    id: str
    values: tuple[str, ...]


class ItemTable:
    """A table of items: CSV, TSV, JSON lines or Parquet, told by what it holds.

    Attributes:
        id: the column of the items' raw tokens.
    """

    def __init__(self, path: Path, id_column: str, columns: Sequence[str], encoding: str = "") -> None:
        """Read the columns' names.

        Args:
            path: of the file.
            id_column: ``""`` for the only column with a well-known name, such as ``sku``.
            columns: whose values are wanted.
            encoding: of text; ``""`` for UTF-8, or what its first bytes say.

        Raises:
            UserError: the file cannot be read, or has no such column.
        """
        self._table = open_table(path, encoding, longest=_LONGEST)
        self.id = column(path, self._table.names, id_column, "item", option="id", taken=columns)
        self._wanted: list[str] = []
        for name in columns:
            taken = [self.id, *self._wanted, *columns]
            self._wanted.append(column(path, self._table.names, name, "columns", taken=taken))

    def rows(self) -> Iterator[Row]:
        """The rows; nothing of them is held. A number is its text, a list its texts with commas.

        Raises:
            UserError: a row is broken, an id or a value is no text; with its line.
        """
        names = [self.id, *self._wanted]
        for block in self._table.blocks(names):
            for row, values in enumerate(zip(*block.columns, strict=True)):
                place = block.place(row)
                token = id_text(values[0])
                if token is None:
                    block.refuse(row, self.id, values[0], no_id(values[0]))
                words = (_word(value, place, name) for value, name in zip(values[1:], self._wanted, strict=True))
                yield Row(place, token, tuple(words))


def _word(value: Any, place: str, name: str) -> str:
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and (math.isnan(value) or value.is_integer()):  # whole numbers beside missing ones
        return "" if math.isnan(value) else str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return ", ".join(filter(None, (_word(part, place, name) for part in value)))
    raise UserError(f"{place}: {name} is of the type {type(value).__name__}; give texts, numbers or lists of them")
