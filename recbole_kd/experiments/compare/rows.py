"""From runs and their records to the rows of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from recbole_kd.experiments.compare.plan import Run
from recbole_kd.experiments.results.records import Record
from recbole_kd.experiments.results.row import Row
from recbole_kd.foundation.errors import UserError


def make_rows(runs: Sequence[Run], records: Mapping[str, Record], folder: Path) -> list[Row]:
    """The rows in the order of the plan; one of which no seed has ended well is left out.

    Args:
        runs: all that were planned.
        records: by digest.
        folder: of their files.

    Raises:
        UserError: a record names a checkpoint elsewhere: what a file says is opened only where this command looks too.
    """
    rows: dict[str, Row] = {}
    for run in runs:
        record = records.get(run.digest)
        if record is None or record["status"] != "done":
            continue
        for stage in record["rows"]:
            _check_place(stage["checkpoint"], run, folder)
            row = rows.setdefault(stage["label"], Row(stage["label"], stage["role"], run=run.label))
            row.stages[run.seed] = stage
            row.histories[run.seed] = folder / record["histories"]
            if record["users"]:
                row.users[run.seed] = folder / record["users"]
    return list(rows.values())


def _check_place(checkpoint: str, run: Run, folder: Path) -> None:
    place = Path(run.config["checkpoint_dir"])
    if checkpoint and Path(checkpoint).absolute().parent != place.absolute():
        raise UserError(
            f"{folder / 'runs.jsonl'} names the checkpoint {checkpoint} of {run.label}, which is not in "
            f"checkpoint_dir={place}; give the --checkpoint_dir that the run was made with, or delete its line"
        )
