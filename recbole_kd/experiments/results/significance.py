"""Each row against the reference, the user being the unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pandas as pd

from recbole_kd.evaluation.significance import holm, paired_test
from recbole_kd.experiments.results.row import Row
from recbole_kd.experiments.results.users import read_users

Test = dict[str, Any]
Read = Callable[[int], pd.Series | None]  # from a seed to the value of each user


def paired_tests(rows: Sequence[Row], reference: str, metric: str) -> dict[str, Test]:
    """Paired tests of all rows but the reference's, corrected for their number.

    Args:
        rows: of the table.
        reference: label of one of them.
        metric: as for :func:`~recbole_kd.experiments.results.users.read_users`. Each user's is averaged over the
            seeds that both rows have; a user whom some seed's split does not test is left out.

    Returns:
        By label ``difference`` (mean), ``t_p``, ``wilcoxon_p``, both also with ``_holm``, ``users`` and ``seeds``. Left
        out is a row without per-user values, and one that is the reference itself by another name.
    """
    against = next((row for row in rows if row.label == reference), None)
    if against is None:
        return {}
    theirs = cache(lambda seed: read_users(against.users[seed], against.role, metric))  # every row asks for it
    tests: dict[str, Test] = {}
    families: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        seeds = [seed for seed in against.users if seed in row.users]
        test = None if row.identity == against.identity else _test(row, seeds, metric, theirs)
        if test is not None:
            tests[row.label] = test
            families.setdefault(row.identity, []).append(row.label)
    for key in ("t_p", "wilcoxon_p"):  # rows of one teacher under several names are one comparison
        corrected = holm([tests[labels[0]][key] for labels in families.values()])
        for labels, value in zip(families.values(), corrected, strict=True):
            for label in labels:
                tests[label][f"{key}_holm"] = value
    return tests


def _test(row: Row, seeds: Sequence[int], metric: str, of_reference: Read) -> Test | None:
    ours = _by_user(seeds, lambda seed: read_users(row.users[seed], row.role, metric))
    theirs = _by_user(seeds, of_reference)
    if ours is None or theirs is None:
        return None
    users = ours.index.intersection(theirs.index)
    if len(users) < 2:
        return None
    found = paired_test(ours.loc[users].to_numpy().T, theirs.loc[users].to_numpy().T)
    return {**found, "users": len(users), "seeds": len(seeds)}


def _by_user(seeds: Sequence[int], read: Read) -> pd.DataFrame | None:
    """Values of the users that all seeds test, (n_users, n_seeds)."""
    found = [read(seed) for seed in seeds]
    known = [values for values in found if values is not None]
    return pd.concat(known, axis=1, join="inner") if known and len(known) == len(found) else None
