"""The report of a comparison, from its table and its runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recbole_kd.experiments.compare.output import Table
from recbole_kd.experiments.compare.plan import Run
from recbole_kd.experiments.report.compared import Compared
from recbole_kd.experiments.report.numbers import Kept
from recbole_kd.experiments.report.page import write_page
from recbole_kd.training.plan import study_folder


def write_report(out: Path, table: Table, metric: str, runs: Sequence[Run], tune_dir: Path, bar: tqdm[Any]) -> Path:
    """Write ``report.html``, ``pictures/`` and what was computed for them.

    Args:
        out: folder of the comparison.
        table: of its rows.
        metric: what is looked at first, in lower case; valid_metric is where its cutoff is not in topk.
        runs: of the rows, in the order of the plan.
        tune_dir: where the searches of their models may be.
        bar: goes on by one a picture.
    """
    studies = {run.label: study_folder(run.config, tune_dir) / "trials.csv" for run in runs}
    if metric not in next(iter(table.rows[0].stages.values()))["test"]:
        metric = runs[0].config["valid_metric"].lower()
    compared = Compared(
        rows=table.rows,
        metric=metric,
        kept=Kept(out / "pictures" / "numbers"),
        studies={label: path for label, path in studies.items() if path.exists()},
        data_path=runs[0].data_path,
    )
    write_page(out / "report.html", table.page(), compared, bar)
    return out / "report.html"
