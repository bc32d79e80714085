"""What a table is to those who read one: its columns' names, and its rows some ten thousand at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn, Protocol

from recbole_kd.foundation.errors import UserError

ROWS = 1 << 13  # of a block
_SHOWN = 40  # characters of a value that a message shows


class Block(NamedTuple):
    """Some rows.

    Attributes:
        columns: the values of each column that was asked for, all of one length; None where a row has none.
        place: what a message calls a row of the block, such as ``orders.csv, line 7``.
    """

    columns: list[Sequence[Any]]
    place: Callable[[int], str]

    def refuse(self, row: int, column: str, value: object, what: str) -> NoReturn:
        """Raise UserError about one value, with what is wrong and what to do."""
        raise UserError(f"{self.place(row)}: {column} is {shown(value)}, {what}")


class Table(Protocol):
    """A file whose columns are known at once, and whose rows are read when they are asked for."""

    names: list[str]

    def blocks(self, wanted: Sequence[str]) -> Iterator[Block]:
        """The rows, with the columns of ``wanted`` in that order.

        Raises:
            UserError: naming the first row that cannot be read.
        """


def shown(value: object) -> str:
    """A value for a message, cut where it is long; nothing in it reaches a terminal as it is."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
