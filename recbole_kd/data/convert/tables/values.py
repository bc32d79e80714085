"""The values of a table: ids as texts, counted off as they come, and numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from recbole_kd.data.tables.blocks import Block
from recbole_kd.data.tables.ids import id_text, no_id, why_unfit

MISSING = frozenset({"", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL", "None", "\\N"})
_COMMA = re.compile(r"\s*[-+]?\d+,\d+(?:[eE][-+]?\d+)?\s*")
_LARGEST = 3e38  # that float32 holds, as RecBole keeps numbers


class Tokens(dict[str, int]):
    """Ids by the order in which they come: a token's number, -1 for one that is empty.

    Attributes:
        what: a message calls it, such as ``user``.
        tokens: by their number.
        doubtful: those that mean nothing in some programs, such as ``NULL``, and are ids here.
    """

    def __init__(self, what: str) -> None:
        super().__init__({"": -1})
        self.what = what
        self.tokens: list[str] = []

    @property
    def doubtful(self) -> list[str]:
        """Ids such as ``NULL``, which other programs write where there is none."""
        return sorted(token for token in MISSING if self.get(token, -1) >= 0)

    def __missing__(self, token: str) -> int:
        if why_unfit(token):
            raise _Unfit
        if not token.strip():
            return -1
        number = self[token] = len(self.tokens)
        self.tokens.append(token)
        return number

    def numbers(self, block: Block, column: int) -> np.ndarray:
        """The numbers of a column's ids, int32 (rows,), -1 where there is none.

        Raises:
            UserError: an id is none that RecBole's files can hold (row named).
        """
        values = block.columns[column]
        if set(map(type, values)) != {str}:
            values = [self._text(block, row, value) for row, value in enumerate(values)]
        try:
            return np.fromiter(map(self.__getitem__, values), dtype=np.int32, count=len(values))
        except _Unfit:
            row = next(row for row, token in enumerate(values) if why_unfit(token))
            block.refuse(row, self.what, values[row], why_unfit(values[row]))

    def _text(self, block: Block, row: int, value: Any) -> str:
        """The text of a typed value, as JSON and Parquet have them."""
        text = id_text(value)
        if text is None:
            block.refuse(row, self.what, value, no_id(value))
        return text


class _Unfit(Exception):
    """An id that is none; the row is looked for by who knows it."""


def numbers(block: Block, column: int, what: str, decimal: str = ".") -> np.ndarray:
    """The numbers of a column.

    Args:
        block: of the table.
        column: its place in the block.
        what: a message calls it.
        decimal: ``.``, or ``,`` where texts are written as ``717,24``; a point is then none of a number.

    Returns:
        float64 (rows,), NaN where there is none.

    Raises:
        UserError: a value is no finite number (row named).
    """
    values = block.columns[column]
    if decimal == ",":
        values = [_with_a_point(block, row, value, what) for row, value in enumerate(values)]
    found = _all_numbers(values)
    if found is not None:
        return found
    return np.array([_number(block, row, value, what) for row, value in enumerate(values)], dtype=np.float64)


def _all_numbers(values: Sequence[Any]) -> np.ndarray | None:
    """The numbers, if all values are some."""
    try:
        found = np.fromiter(map(float, values), dtype=np.float64, count=len(values))
        # float() alone would take "1_000", and True
        odd = bool in set(map(type, values)) or "_" in "".join(map(str, values))
        return found if (np.abs(found) <= _LARGEST).all() and not odd else None
    except (TypeError, ValueError, OverflowError):
        return None


def _with_a_point(block: Block, row: int, value: Any, what: str) -> Any:
    if isinstance(value, str) and "." in value:
        block.refuse(
            row, what, value, "which has a point, and decimal=, says that a comma parts the digits; leave it out"
        )
    written = isinstance(value, str) and _COMMA.fullmatch(value)
    return value.replace(",", ".") if written else value


def _number(block: Block, row: int, value: Any, what: str) -> float:
    if value is None or (isinstance(value, str) and value.strip() in MISSING):
        return math.nan
    if isinstance(value, float) and math.isnan(value):
        return math.nan
    advice = "leave the cell empty where there is none"
    if isinstance(value, str) and _COMMA.fullmatch(value):
        advice = "write 4.5 with a point, or say --decimal=, for the ratings"
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= _LARGEST or "_" in str(value) or isinstance(value, bool):
        block.refuse(row, what, value, f"which is no finite number; {advice}")
    return number
