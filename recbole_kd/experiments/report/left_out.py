"""Several things computed for one picture, of which some cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from recbole_kd.experiments.results.row import Row
from recbole_kd.foundation.errors import UserError

Thing = TypeVar("Thing")
Found = TypeVar("Found")


def of_each(things: Mapping[str, Thing], compute: Callable[[Thing], Found]) -> tuple[dict[str, Found], str]:
    """``compute`` for each thing by its name, and a sentence about those that are left out.

    Raises:
        UserError: all are.
    """
    found, reasons = {}, []
    for name, thing in things.items():
        try:
            found[name] = compute(thing)
        except UserError as error:
            reasons.append(f"{name} is left out: {error}")
    if not found:
        raise UserError(reasons[0].partition(": ")[2] if reasons else "there is no model")
    return found, " ".join(f"{reason}." for reason in reasons)


def of_rows(rows: Iterable[Row], compute: Callable[[Row], Found]) -> tuple[dict[str, Found], str]:
    """:func:`of_each` for rows by their labels."""
    return of_each({row.label: row for row in rows}, compute)
