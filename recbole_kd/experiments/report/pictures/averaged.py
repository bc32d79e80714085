"""Histories of several seeds as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_kd.experiments.report.curves import History

if TYPE_CHECKING:
    from recbole_kd.experiments.report.compared import Compared
    from recbole_kd.experiments.results.row import Row


def mean_history(compared: Compared, row: Row) -> list[dict[str, Any]]:
    """:func:`averaged` of a row's epochs; raises as :meth:`Compared.histories` does."""
    return averaged(list(compared.histories(row).values()))


def averaged(histories: Sequence[History]) -> list[dict[str, Any]]:
    """The mean over seeds of each number, for the epochs that all seeds have.

    Args:
        histories: entries in the order of their epochs; what one of them lacks in an epoch is left out there.
    """
    return [_mean(entries) for entries in zip(*histories, strict=False)]


def _mean(values: Sequence[Any]) -> Any:
    """Of numbers, or of equally nested dicts and lists of them; None where there is none."""
    if all(isinstance(value, dict) for value in values):
        shared = [key for key in values[0] if all(key in value for value in values)]
        return {key: _mean([value[key] for value in values]) for key in shared}
    if all(isinstance(value, list) for value in values):
        return [_mean(items) for items in zip(*values, strict=False)]
    known = [value for value in values if isinstance(value, int | float)]
    return float(np.mean(known)) if len(known) == len(values) else None
