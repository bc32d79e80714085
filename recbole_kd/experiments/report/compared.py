"""What pictures are made of: the rows of a comparison, their epochs, and their models."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from recbole_kd.evaluation.per_user import per_user_metrics
from recbole_kd.experiments.report.colours import style
from recbole_kd.experiments.report.curves import History
from recbole_kd.experiments.report.numbers import Kept, Numbers
from recbole_kd.foundation.digest import NUMERICS
from recbole_kd.foundation.errors import UserError
from recbole_kd.serving.trained_model import TrainedModel, open_quietly

if TYPE_CHECKING:
    from recbole_kd.experiments.results.row import Row

_MODELS_AT_ONCE = 2  # a teacher and its student


class Pair(NamedTuple):
    """A distilled student, one of its teachers, and the same student alone if it was trained."""

    student: Row
    teacher: Row
    alone: Row | None


@dataclass
class Compared:
    """A finished comparison.

    Attributes:
        rows: of its table.
        metric: what is looked at first, in lower case, as ``ndcg@20``.
        kept: numbers of earlier reports.
        studies: ``trials.csv`` of ``recbole-kd tune`` by the label of what was tuned.
        data_path: of the data set's folder, if not where the checkpoints say.
        tell: gets the label of the row that is worked on.
    """

    rows: Sequence[Row]
    metric: str
    kept: Kept
    studies: Mapping[str, Path] = field(default_factory=dict)
    data_path: str | None = None
    tell: Callable[[str], object] = lambda label: None
    _open: OrderedDict[str, TrainedModel] = field(default_factory=OrderedDict, repr=False)

    @property
    def seed(self) -> int:
        """The first one, whose models are looked into."""
        return min(seed for row in self.rows for seed in row.stages)

    @property
    def cutoff(self) -> int:
        """Of the metric."""
        return int(self.metric.partition("@")[2])

    def of_users(self, hits: Tensor) -> Tensor:
        """The metric of each user, (n,), from ``hits`` (n, k + 1) of a ranking that is no longer than its cutoff."""
        k = hits.shape[1] - 1
        return per_user_metrics(hits, k)[f"{self.metric.partition('@')[0]}@{k}"]

    def seeds(self, by_epoch: bool = False) -> str:
        """All of them, as a caption says it; ``by_epoch`` of lines."""
        seeds = sorted({seed for row in self.rows for seed in row.stages})
        if len(seeds) == 1:
            return f"Seed {seeds[0]}."
        ends = "; a line ends where the first of them stopped" if by_epoch else ""
        return f"Mean over seeds {seeds[0]} to {seeds[-1]}{ends}."

    def distinct(self) -> list[Row]:
        """Rows without those whose models another one has already shown: a teacher of several students."""
        found: dict[tuple[str, ...], Row] = {}
        for row in self.rows:
            found.setdefault(row.identity, row)
        return list(found.values())

    def look(self, row: Row) -> dict[str, Any]:
        """Colour, marker and stroke of a row, the same in all pictures."""
        return style([other.label for other in self.rows].index(row.label))

    def pairs(self) -> list[Pair]:
        """Distilled students with each of their teachers, in the order of the table."""
        found = []
        for student in self.rows:
            if student.role == "student":
                same = [row for row in self.rows if row.run == student.run]
                alone = next((row for row in same if row.role == "baseline"), None)
                found += [Pair(student, row, alone) for row in same if row.role.startswith("teacher")]
        return found

    def histories(self, row: Row) -> dict[int, History]:
        """The epochs of a row by seed.

        Raises:
            UserError: a file of them is missing or damaged.
        """
        found = {}
        for seed, path in row.histories.items():
            try:
                found[seed] = json.loads(path.read_text(encoding="utf-8"))[row.label]
            except (OSError, ValueError, KeyError):
                raise UserError(
                    f"{path} is missing or damaged; delete its line in runs.jsonl, and the same command makes it again"
                ) from None
        return found

    def checkpoint(self, row: Row) -> str:
        """The file of a row's model of :attr:`seed`.

        Raises:
            UserError: there is none.
        """
        if self.seed not in row.stages:
            raise UserError(f"{row.label} has no run of seed {self.seed}; repeat the command")
        return str(row.stages[self.seed]["checkpoint"])

    def trained(self, row: Row) -> TrainedModel:
        """The model of a row with :attr:`seed`; the last two are kept.

        Raises:
            UserError: it cannot be opened.
        """
        path = self.checkpoint(row)
        if path not in self._open:
            while len(self._open) >= _MODELS_AT_ONCE:
                self._open.popitem(last=False)
            self._open[path] = open_quietly(path, self.data_path)
        self._open.move_to_end(path)
        return self._open[path]

    def numbers(self, name: str, rows: Sequence[Row], compute: Callable[[], Numbers], *more: Any) -> Numbers:
        """What ``compute`` gives, kept from one report to the next.

        Args:
            name: of the computation.
            rows: whose models of :attr:`seed` it depends on.
            compute: takes long.
            more: plain values it depends on too.
        """
        self.tell(", ".join(row.label for row in rows))
        models = [[self.checkpoint(row), row.stages[self.seed]["test"]] for row in rows]
        return self.kept.get(name, [NUMERICS, models, *more], compute)
