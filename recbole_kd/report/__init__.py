"""What a person looks at when a run has ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_kd.files import replacing
from recbole_kd.report.curves import write_curves
from recbole_kd.report.table import stage_table

if TYPE_CHECKING:
    from recbole_kd.config import KDConfig
    from recbole_kd.stages import StageRecord


def write_report(stages: Sequence[StageRecord], config: KDConfig) -> None:
    """Print the table of stages; with ``report_dir`` also write ``table.md`` and ``curves.png`` there."""
    title = f"{config.model} on {config.dataset}, seed {config['seed']}, test ranking masks {mask_of(config)}"
    print(f"\n{title}\n{stage_table(stages)}\n")
    for stage in stages:
        print(f"{stage.name} checkpoint: {stage.checkpoint}")
    if config["report_dir"]:
        folder = Path(config["report_dir"])
        with replacing(folder / "table.md", "w") as stream:
            stream.write(f"{title}\n\n{stage_table(stages, 'github')}\n")
        write_curves(stages, folder / "curves.png", title)
        print(f"table and training curves: {folder / 'table.md'}, {folder / 'curves.png'}")


def mask_of(config: KDConfig) -> str:
    """What a user's test ranking leaves out."""
    return "train + valid items" if config["eval_mask"] == "recbole" else "train items"
