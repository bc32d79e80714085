"""The command ``recbole-kd compare``: plan, runs, latencies, table."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from recbole_kd.evaluation.protocol import protocol_of, title_words
from recbole_kd.experiments.compare.early import check_features
from recbole_kd.experiments.compare.execute import execute
from recbole_kd.experiments.compare.latency import measure, unmeasured
from recbole_kd.experiments.compare.made import parts_of, unseen_note
from recbole_kd.experiments.compare.options import Options, read_words
from recbole_kd.experiments.compare.output import Table
from recbole_kd.experiments.compare.plan import Run, plan
from recbole_kd.experiments.compare.rows import make_rows
from recbole_kd.experiments.results.records import Record, Records
from recbole_kd.experiments.results.row import Row, gap_closed
from recbole_kd.experiments.results.significance import Test, paired_tests
from recbole_kd.foundation.bars import tqdm
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.foundation.files import alone_in
from recbole_kd.training.hearing import check_outputs
from recbole_kd.training.record import WITH_CONTENT

OnTable = Callable[[Table, list[Path]], object]
_METRICS = ("recall", "ndcg", "precision", "hit", "mrr")


class ComparisonResult(NamedTuple):
    """A finished comparison.

    Attributes:
        table: of all rows, with tests, notes and a frame of all figures.
        paths: of the files it wrote: the table in four forms, its runs, and the report unless there is none.
        failed: of each run that failed, its label, seed and reason.
    """

    table: Table
    paths: list[Path]
    failed: list[Record]


def compare(
    words: Sequence[str],
    config_files: Sequence[str] = (),
    on_table: OnTable | None = None,
) -> ComparisonResult:
    """Make the runs that are not made yet, and the table of all.

    Args:
        words: command-line words ``--key=value``.
        config_files: YAML files of every run.
        on_table: is given the table and the files that were written, before the pictures are made, which takes minutes.

    Raises:
        UserError: something that the user can mend, or that no run ended well.
    """
    options, further = read_words(words, config_files)
    seeds = range(options.seed, options.seed + options.seeds)
    runs = plan(options.labels, seeds, further, config_files, options.tune_dir if options.tuned else None)
    check_outputs(runs[0].config)
    out = Path(options.out or f"compare/{options.dataset}")
    files = [f"--config_files={' '.join(map(str, config_files))}"] if config_files else []
    comparison = Comparison(runs, out, options, f"recbole-kd compare {shlex.join([*words, *files])}", on_table)
    with alone_in(out, "compare", "--out"):
        try:
            return comparison.make()
        except OSError as error:
            raise UserError(f"cannot go on in {out}: {error}; mend that and repeat the command") from None


class Comparison:
    """What is compared, where it is kept, and how the table is made of it."""

    def __init__(
        self, runs: Sequence[Run], out: Path, options: Options, command: str, on_table: OnTable | None = None
    ) -> None:
        """Check the options against the runs.

        Raises:
            UserError: no row has the label of the reference, or the metric to be tested is not computed.
        """
        self._runs, self._out, self._options, self._command = runs, out, options, command
        self._on_table = on_table
        self._config = config = runs[0].config.final_config_dict
        labels = list(dict.fromkeys(label for run in runs for label in run.rows.values()))
        self.reference = options.reference or runs[0].label
        if self.reference not in labels:
            hint = did_you_mean(self.reference, labels) or f"; use one of {', '.join(labels)}"
            raise UserError(f"there is no row {self.reference!r} to compare with{hint}")
        self.metric = (options.test_metric or config["valid_metric"]).lower()
        name, _, k = self.metric.partition("@")
        if name not in _METRICS or not re.fullmatch(r"[1-9]\d*", k) or int(k) > max(config["topk"]):
            raise UserError(
                f"--test_metric={options.test_metric or config['valid_metric']} cannot be tested; give one of "
                f"{', '.join(_METRICS)} with @ and a cutoff up to {max(config['topk'])}"
            )

    def make(self) -> ComparisonResult:
        """Run, measure and write.

        Raises:
            UserError: ``runs.jsonl`` is damaged, or no run ended well.
        """
        records = Records(self._out / "runs.jsonl")
        self._run(records)
        known = {record["digest"]: record for record in records.of([run.digest for run in self._runs])}
        rows = make_rows(self._runs, known, self._out)
        failed = [record for record in known.values() if record["status"] != "done"]
        if not rows:
            raise UserError(f"no run ended well, the first because: {failed[0]['reason']}")
        left = unmeasured(rows)
        with self._bar(len(left), 0, "Latency", "model") as bar:
            measure(left, self._runs[0].data_path, bar)
        records.write()
        tests = paired_tests(rows, self.reference, self.metric)
        notes, made = self._notes(rows, tests, known), parts_of(self._runs, known, self._command)
        table = Table(self._title(), rows, tests, notes, self._facts(rows, failed), made)
        paths = [*table.write(self._out), self._out / "runs.jsonl"]
        if self._on_table:
            self._on_table(table, list(paths))
        if self._options.report:
            paths.append(self._report(table))
        return ComparisonResult(table, paths, failed)

    def _run(self, records: Records) -> None:
        wanted = [run for run in self._runs if not (self._options.resume and records.done(run.digest))]
        done = len(self._runs) - len(wanted)
        check_features(wanted)

        def ended(record: Record) -> None:
            records.put(record)
            if record["status"] != "done":
                message = f"recbole-kd: {record['label']}, seed {record['seed']} failed: {record['reason']}"
                tqdm.write(message, file=sys.stderr)

        with self._bar(len(self._runs), done, f"Compare on {self._runs[0].dataset}", "run") as bar:
            execute(wanted, self._out, self._options.jobs, ended, bar)

    def _report(self, table: Table) -> Path:
        from recbole_kd.experiments.compare.report import write_report  # slow to import, and only wanted here
        from recbole_kd.experiments.report.pictures import PICTURES

        with self._bar(len(PICTURES.names()), 0, "Report", "picture") as bar:
            return write_report(self._out, table, self.metric, self._runs, Path(self._options.tune_dir), bar)

    def _bar(self, total: int, done: int, what: str, unit: str) -> tqdm[Any]:
        hidden = not self._options.show_progress or done == total
        # smoothing=0: the time left is told from the mean of all runs, not from the last ones
        return tqdm(total=total, initial=done, desc=what, unit=unit, disable=hidden, smoothing=0)

    def _title(self) -> str:
        seeds = [run.seed for run in self._runs]
        said = f"seed {seeds[0]}" if len(set(seeds)) == 1 else f"seeds {min(seeds)} to {max(seeds)}"
        count = len(self._options.labels)
        return f"{count} model{'s' * (count > 1)} on {self._runs[0].dataset}, {said}, {title_words(self._config)}"

    def _notes(self, rows: Sequence[Row], tests: dict[str, Test], known: dict[str, Record]) -> list[str]:
        notes, threads = [], torch.get_num_threads()
        if len({run.seed for run in self._runs}) > 1:
            notes.append("Metrics: mean ± standard deviation over seeds.")
        if tests:
            users = sorted({test["users"] for test in tests.values()})
            said = f"{users[0]:,}" if len(users) == 1 else f"{users[0]:,} to {users[-1]:,}"
            notes.append(
                f"p: {self.metric} of each of {said} users, averaged over seeds, against {self.reference}; paired, "
                "two-sided, Holm-corrected for all rows."
            )
        if any(gap_closed(rows, row, self.metric) is not None for row in rows):
            notes.append(f"Gap closed: of the way from the student alone to its best teacher, by mean {self.metric}.")
        notes.append(
            "Peak: memory of the process while it trained and evaluated, or of CUDA's tensors. ms/user: top-50 lists "
            "of a loaded model for 1 and for 1024 users at a time, one model after another, with "
            f"{threads} CPU thread{'s' * (threads > 1)} or on CUDA."
        )
        cut_short = [
            f"{row.label} ({len(row.at_epoch_limit)} of {len(row.stages)})" for row in rows if row.at_epoch_limit
        ]
        if cut_short:
            notes.append(
                f"Ended at the epoch limit and not by early stopping, of so many runs: {', '.join(cut_short)}."
            )
        if any(row.apart() for row in rows):
            notes.append("Warm and cold: test interactions of items that training has, and of items that it never saw.")
        if any(name.startswith(WITH_CONTENT) for row in rows for name in row.apart()):
            notes.append("With content: the student with its content path for unseen items; p is of the student alone.")
        notes += [f"{row.label}: {lost}." for row in rows if (lost := row.warm_lost())]
        if unseen := unseen_note(known, self._config["eval_items"] == "warm"):
            notes.append(f"{unseen}.")
        failed = (record for record in known.values() if record["status"] != "done")
        return notes + [f"{record['label']}, seed {record['seed']} failed: {record['reason']}" for record in failed]

    def _facts(self, rows: Sequence[Row], failed: Sequence[Record]) -> dict[str, object]:
        return {
            "dataset": self._runs[0].dataset,
            "models": self._options.labels,
            "seeds": sorted({run.seed for run in self._runs}),
            "reference": self.reference,
            "test_metric": self.metric,
            "ranking": protocol_of(self._config)._asdict(),
            "runs": [run.digest for run in self._runs],
            "failed": [{key: record[key] for key in ("label", "seed", "reason")} for record in failed],
        }
