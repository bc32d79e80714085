"""What a report says besides its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """What stands in a field of the table, and the number it is sorted by; a column's field without is sorted last."""

    text: str
    value: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Part:
    """Facts by their names, under a heading."""

    title: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Text:
    """All that the page says besides its pictures.

    ``header`` and ``lines`` are the table; the first column names the rows. ``facts`` stand above it, ``notes`` below;
    ``parts`` are on how it was made, none of a result that does not tell.
    """

    title: str
    facts: Mapping[str, str]
    header: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    notes: Sequence[str]
    parts: Sequence[Part] = ()
