"""The table of a single run, and its files: ``table.md`` and ``curves.png``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_kd.experiments.report.curves import write_curves
from recbole_kd.experiments.report.table import limit_notes, stage_table
from recbole_kd.foundation.files import replacing
from recbole_kd.training.record import Result


def title_of(result: Result) -> str:
    """Above the table: what was run, on what, and what its test ranking leaves out."""
    return f"{result.model} on {result.dataset}, seed {result.seed}, test ranking masks {mask_of(result.config)}"


def write_report(result: Result) -> list[Path]:
    """Write the table and the training curves into ``report_dir``; returns their paths."""
    folder = Path(result.config["report_dir"])
    paths = [folder / "table.md", folder / "curves.png"]
    with replacing(paths[0], "w") as stream:
        stream.write(f"{title_of(result)}\n\n{stage_table(result.stages, 'github')}\n{limit_notes(result.stages)}\n")
    write_curves(result.stages, paths[1], title_of(result))
    return paths


def mask_of(config: Mapping[str, Any]) -> str:
    """What a user's test ranking leaves out."""
    return "train + valid items" if config["eval_mask"] == "recbole" else "train items"
