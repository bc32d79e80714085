"""The table of a single run, and its files: ``table.md`` and ``curves.png``."""

from __future__ import annotations

from pathlib import Path

from recbole_kd.evaluation.protocol import protocol_of, title_words
from recbole_kd.evaluation.unseen import unseen_in_test
from recbole_kd.experiments.report.curves import write_curves
from recbole_kd.experiments.report.table import stage_notes, stage_table
from recbole_kd.foundation.files import replacing
from recbole_kd.training.record import Result


def title_of(result: Result) -> str:
    """Above the table: what was run, on what, and how its test part is ranked."""
    return f"{result.model} on {result.dataset}, seed {result.seed}, {title_words(result.config)}"


def table_of(result: Result, style: str = "simple") -> str:
    """Title and table, in a format of ``tabulate``, and below it what a reader of the figures has to know.

    That is a line for each training that was cut short, one for each content path that does harm, and one on test
    interactions that few models can find.
    """
    markdown = style == "github"
    title = title_of(result).replace("<", "\\<") if markdown else title_of(result)  # a name begins no tag
    between = "\n\n" if markdown else "\n"
    table = stage_table(result.stages, style, protocol_of(result.config).heading)
    unseen = "" if result.config.get("eval_items") == "warm" else unseen_in_test(result.data).note()
    notes = "".join(f"\n{note}" for note in [*stage_notes(result.stages), unseen] if note)
    return f"{title}{between}{table}" + f"\n{notes}" * bool(notes)


def write_report(result: Result) -> list[Path]:
    """Write the table and the training curves into ``report_dir``; returns their paths."""
    folder = Path(result.config["report_dir"])
    paths = [folder / "table.md", folder / "curves.png"]
    with replacing(paths[0], "w") as stream:
        stream.write(f"{table_of(result, 'github')}\n")
    write_curves(result.stages, paths[1], title_of(result))
    return paths
