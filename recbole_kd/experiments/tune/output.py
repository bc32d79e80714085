"""What a search leaves: the best values as YAML, all trials as CSV, a table, the command that uses them."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from tabulate import tabulate

from recbole_kd.foundation.files import replacing

if TYPE_CHECKING:
    from recbole_kd.experiments.tune.study import Trial


def write_best(
    path: Path, title: str, trials: Sequence[Trial], best: Trial, metric: str, held: Mapping[str, Any]
) -> None:
    """Write the best values, and those that were ``held`` beside them, as a file for ``--config_files``."""
    counts = [(sum(trial.state == state for trial in trials), state) for state in ("pruned", "failed")]
    others = "".join(f", {count} {state}" for count, state in counts if count)
    with replacing(path, "w") as stream:
        stream.write(f"# {title}: best of {len(trials)} trials{others}; validation {metric} {best.score}\n")
        yaml.safe_dump(best.values, stream, sort_keys=False)
        if held:
            stream.write("# held while these were searched\n")
            yaml.safe_dump(dict(held), stream, sort_keys=False)


def write_trials(path: Path, trials: Sequence[Trial], keys: Iterable[str]) -> None:
    """Write one line a trial: its number, state, validation score, values, and why it failed."""
    keys = list(keys)
    with replacing(path, "w") as stream:
        lines = csv.writer(stream, lineterminator="\n")
        lines.writerow(["trial", "state", "valid", *keys, "reason"])
        for trial in trials:
            values = [_text(trial.values[key]) for key in keys]
            lines.writerow([trial.number, trial.state, trial.score, *values, trial.reason])


def best_table(ranked: Sequence[Trial], metric: str) -> str:
    """Format one line a trial, the best first."""
    header = ["trial", f"valid {metric}", *ranked[0].values]
    rows = [[trial.number, f"{trial.score:.4f}", *map(_text, trial.values.values())] for trial in ranked]
    found: str = tabulate(rows, headers=header, disable_numparse=True, stralign="right")
    return found


def command_line(words: Iterable[str], config_files: Sequence[str]) -> str:
    """The command that trains with the best values."""
    files = "--config_files=" + " ".join(config_files)
    return shlex.join(["recbole-kd", "train", *words, files])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
