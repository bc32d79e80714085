"""Tables of JSON lines: an object a line, ``{"user": "ann", "item": 7}``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from recbole_kd.data.tables.blocks import ROWS, Block
from recbole_kd.data.tables.text import Text
from recbole_kd.foundation.errors import UserError

_SAMPLE = 100  # objects that tell the columns


class JsonLines:
    """A table whose rows name their columns.

    Attributes:
        names: of the keys of the first hundred objects.
    """

    def __init__(self, text: Text) -> None:
        """Read the keys.

        Raises:
            UserError: one of the first lines is no object.
        """
        self._text = text
        with text.lines() as lines:
            names = dict.fromkeys(name for _, row in self._objects(islice(lines, _SAMPLE)) for name in row)
        self.names = list(names)

    def blocks(self, wanted: Sequence[str]) -> Iterator[Block]:
        """The rows; a value is what the line has, None where it has none.

        Raises:
            UserError: naming the first line that is no object.
        """
        with self._text.lines(bar=True) as lines:
            objects = self._objects(lines)
            while rows := list(islice(objects, ROWS)):
                columns: list[Sequence[Any]] = [[row.get(name) for _, row in rows] for name in wanted]
                numbers = [number for number, _ in rows]
                yield Block(columns, lambda row, numbers=numbers: f"{self._text.path}, line {numbers[row]}")  # type: ignore[misc]

    def _objects(self, lines: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
                raise UserError(
                    f"{self._text.path}, line {number}: it is no JSON ({why}); each line is one object, such as "
                    '{"user": "ann", "item": 7}'
                ) from None
            if not isinstance(row, dict):
                raise UserError(
                    f"{self._text.path}, line {number}: it is no JSON object; each line is one, such as "
                    '{"user": "ann", "item": 7}'
                )
            yield number, row
