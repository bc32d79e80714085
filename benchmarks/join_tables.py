"""Several comparisons side by side, as Markdown: one metric, a row a model, a column a comparison.

    python benchmarks/join_tables.py --column=text=compare/a,compare/b --column=shuffled=compare/c
        [--metric='cold, recall@20']

Each column is a heading and the folders of ``recbole-kd compare`` below it, whose ``table.csv`` are read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from recbole_kd.foundation.errors import UserError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--column", action="append", required=True, metavar="HEADING=FOLDER,FOLDER")
    parser.add_argument("--metric", default="recall@20")
    arguments = parser.parse_args()
    rows: dict[str, dict[str, str]] = {}
    headings = []
    for word in arguments.column:
        heading, _, folders = word.partition("=")
        headings.append(heading)
        for folder in folders.split(","):
            for label, cell in cells(Path(folder) / "table.csv", arguments.metric):
                rows.setdefault(label, {})[heading] = cell
    lines = [[label, *(found.get(heading, "–") for heading in headings)] for label, found in rows.items()]
    print(tabulate(lines, headers=[arguments.metric, *headings], tablefmt="github", disable_numparse=True))
    return 0


def cells(path: Path, metric: str) -> list[tuple[str, str]]:
    """Label and mean ± standard deviation of each row that has the metric."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    if metric not in table:
        raise UserError(f"{path} has no metric {metric!r}; it has {', '.join(table.columns)}")
    known = table[table[metric].notna()]
    spreads = known.get(f"{metric}_sd", pd.Series(float("nan"), known.index))
    return [
        (str(label), f"{mean:.4f}" + (f" ± {spread:.4f}" if spread == spread else ""))
        for label, mean, spread in zip(known["label"], known[metric], spreads, strict=True)
    ]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"join_tables.py: {error}")
