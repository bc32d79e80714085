"""The table as CSV (all of it), Markdown, LaTeX and on the terminal (what a reader looks for)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tabulate import tabulate

from recbole_kd.experiments.report.table import shown_metrics
from recbole_kd.experiments.report.text import Cell, Part, Text
from recbole_kd.experiments.results.row import Row, gap_closed, spread
from recbole_kd.experiments.results.significance import Test
from recbole_kd.foundation.files import replacing, write_json

_TESTS = ("difference", "t_p", "t_p_holm", "wilcoxon_p", "wilcoxon_p_holm", "users")
_WHOLE = ("users", "parameters", "inference_parameters", "bytes", "peak_memory")
_COSTS = {  # heading, how a figure is written
    "parameters": ("parameters", lambda value: f"{value:,.0f}"),
    "inference_parameters": ("read at inference", lambda value: f"{value:,.0f}"),
    "bytes": ("file, MB", lambda value: f"{value / 1e6:.2f}"),
    "seconds_per_epoch": ("s an epoch", lambda value: f"{value:.2f}"),
    "epochs": ("epochs", lambda value: f"{value:.0f}"),
    "peak_memory": ("peak, MB", lambda value: f"{value / 1e6:,.0f}"),
    "ms_per_user_1": ("ms/user, 1", lambda value: f"{value:.3f}"),
    "ms_per_user_1024": ("ms/user, 1024", lambda value: f"{value:.4f}"),
}


@dataclass
class Table:
    """Rows with their tests by label, a title, the notes below, the metric tested, and how the runs were made."""

    title: str
    rows: Sequence[Row]
    tests: Mapping[str, Test]
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[Part] = ()

    def write(self, folder: Path) -> list[Path]:
        """Write ``table.csv``, ``table.md``, ``table.tex`` and ``table.json``, each whole or not at all."""
        paths = [folder / f"table.{kind}" for kind in ("csv", "md", "tex", "json")]
        for path, text in zip(paths, (self.csv(), self.markdown(), self.latex()), strict=False):
            with replacing(path, "w") as stream:
                stream.write(text)
        frame = self.frame().astype(object)
        rows = [
            {key: None if pd.isna(value) else value for key, value in row.items()} for row in frame.to_dict("records")
        ]
        made = {part.title: dict(part.facts) for part in self.parts}
        write_json(
            paths[-1], {"title": self.title, **self.facts, "notes": list(self.notes), "rows": rows, "made": made}
        )
        return paths

    def frame(self) -> pd.DataFrame:
        """One line a row: every metric's mean and standard deviation over seeds, tests, costs; NaN is unknown."""
        lines = []
        for row in self.rows:
            line: dict[str, Any] = {"label": row.label, "role": row.role, "model": row.model, "seeds": len(row.stages)}
            for name in next(iter(row.stages.values()))["test"]:
                values = pd.Series(row.metric(name))
                line |= {name: values.mean(), f"{name}_sd": values.std()}
            for seen, found in row.apart().items():
                for name, of_seeds in found.items():
                    values = pd.Series(of_seeds)
                    line |= {f"{seen}, {name}": values.mean(), f"{seen}, {name}_sd": values.std()}
            line |= {key: self.tests.get(row.label, {}).get(key) for key in _TESTS}
            line["gap_closed"] = self._gap_closed(row)
            lines.append(line | row.costs() | {"ranking": self._mode})
        frame = pd.DataFrame(lines)
        whole = [name for name in _WHOLE if name in frame]
        return (
            frame.astype(dict.fromkeys(whole, "Float64"))
            .round(dict.fromkeys(whole, 0))
            .astype(dict.fromkeys(whole, "Int64"))
        )

    def csv(self) -> str:
        """All figures, unrounded."""
        found: str = self.frame().to_csv(index=False, lineterminator="\n")
        return found

    def markdown(self) -> str:
        """Title, table and notes."""
        notes = "".join(f"- {_without_tags(note)}\n" for note in self.notes)
        return f"{_without_tags(self.title)}\n\n{self.shown('github')}\n\n{notes}"

    def latex(self) -> str:
        """A ``tabular`` for the package booktabs; title and notes are comments."""
        text = self.shown("latex_booktabs")
        for sign, command in (("±", r"$\pm$"), ("–", "--"), ("\\ensuremath{>}", "$>$")):
            text = text.replace(sign, command)
        return "".join(f"% {line}\n" for line in (self.title, *self.notes)) + text + "\n"

    def shown(self, style: str = "simple") -> str:
        """What a reader looks for, in a format of ``tabulate``."""
        if not self.rows:
            return ""
        header, lines = self.cells()
        texts = [[cell.text for cell in line] for line in lines]
        columns = ("left", "left", *("right",) * (len(header) - 2))
        found: str = tabulate(texts, headers=header, tablefmt=style, disable_numparse=True, colalign=columns)
        return found

    def cells(self) -> tuple[list[str], list[list[Cell]]]:
        """Headings, and what stands below them: the label, the model, metrics, p values and costs."""
        metrics = shown_metrics(next(iter(self.rows[0].stages.values()))["test"])
        apart = {row.label: row.apart() for row in self.rows}
        seen = list(dict.fromkeys(name for found in apart.values() for name in found))
        closed = {row.label: share for row in self.rows if (share := self._gap_closed(row)) is not None}
        mode = self._mode
        header = [
            "",
            "model",
            *(f"{name} ({mode})" * (mode != "full") or name for name in metrics),
            *(f"{metrics[0]}, {name}" for name in seen),
            *["gap closed"] * bool(closed),
            "p (t)",
            "p (Wilcoxon)",
        ]
        header += [heading for heading, _ in _COSTS.values()]
        best = {
            name: max((row.metric(name).mean() for row in self.rows if len(row.metric(name))), default=None)
            for name in metrics
        }
        lines = []
        for row in self.rows:
            costs, test = row.costs(), self.tests.get(row.label, {})
            line = [Cell(row.label), Cell(row.model)]
            for name in metrics:
                values = row.metric(name)
                mean = float(values.mean()) if len(values) else None
                line.append(Cell(spread(values), mean, best=mean is not None and mean == best[name]))
            for name in seen:
                values = apart[row.label].get(name, {}).get(metrics[0], np.empty(0))
                line.append(Cell(spread(values), float(values.mean()) if len(values) else None))
            if closed:
                share = closed.get(row.label)
                line.append(Cell(re.sub(r"^-0%", "0%", _written(share, "{:.0%}".format)), share))
            line += [Cell(_p(test.get(key)), test.get(key)) for key in ("t_p_holm", "wilcoxon_p_holm")]
            line += [Cell(_written(costs[key], write), costs[key]) for key, (_, write) in _COSTS.items()]
            lines.append(line)
        return header, lines

    def _gap_closed(self, row: Row) -> float | None:
        metric = self.facts.get("test_metric")
        return gap_closed(self.rows, row, metric) if metric else None

    @property
    def _mode(self) -> str:
        """How test is ranked, in RecBole's word: full, uni100 or the like."""
        return str(self.facts.get("ranking", {}).get("mode", "full"))

    def page(self) -> Text:
        """What the report says besides its pictures."""
        header, lines = self.cells()
        facts = {
            "data set": str(self.facts["dataset"]),
            "seeds": ", ".join(str(seed) for seed in self.facts["seeds"]),
            "tested against": str(self.facts["reference"]),
            "tested metric": str(self.facts["test_metric"]),
        }
        first: dict[tuple[str, ...], str] = {}
        for row in self.rows:
            first.setdefault(row.identity, row.label)
        same = [
            f"{row.label} is the same model as {known}, by whose name the pictures show it."
            for row in self.rows
            if (known := first[row.identity]) != row.label
        ]
        files = "All figures, unrounded: table.csv beside this page; the pictures: its folder pictures."
        return Text(self.title, facts, header, lines, [*self.notes, *same, "Bold: the best mean.", files], self.parts)


def _written(value: float | None, write: Callable[[float], str]) -> str:
    return "–" if value is None else write(value)


def _without_tags(text: str) -> str:
    """Markdown in which a name begins no tag."""
    return text.replace("<", "\\<")


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2g}" if value > 1e-300 else "< 1e-300"
