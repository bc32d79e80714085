"""From runs and their records to the rows of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from recbole_kd.experiments.compare.plan import Run
from recbole_kd.experiments.results.records import Record
from recbole_kd.experiments.results.row import Row


def make_rows(runs: Sequence[Run], records: Mapping[str, Record], folder: Path) -> list[Row]:
    """The rows in the order of the plan; one of which no seed has ended well is left out.

    Args:
        runs: all that were planned.
        records: by digest.
        folder: of their files.
    """
    rows: dict[str, Row] = {}
    for run in runs:
        record = records.get(run.digest)
        if record is None or record["status"] != "done":
            continue
        for stage in record["rows"]:
            row = rows.setdefault(stage["label"], Row(stage["label"], stage["role"], run=run.label))
            row.stages[run.seed] = stage
            row.histories[run.seed] = folder / record["histories"]
            if record["users"]:
                row.users[run.seed] = folder / record["users"]
    return list(rows.values())
